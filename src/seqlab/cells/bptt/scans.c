/* The recurrence of a vanilla RNN over some steps, and its way back:

       h_t  = squash(a_t + U h_{t-1})               a_t = W x_t + b, which lies where h_t is to be
       ds_t = slope(h_t) * (dh_t + U' ds_{t+1})     slope: 1 - h^2 for tanh; for ReLU 1 where h > 0, else 0

   A state is a row of H floats; step t of a sequence lies `stride` floats behind step t - 1. A call takes `rows`
   sequences, which lie one behind the other, through T steps. */

#include "../tiles.h"

static void squash(float *h, size_t n, int relu) {
    if (relu)
        for (size_t i = 0; i < n; i++) h[i] = h[i] > 0.f ? h[i] : 0.f;
    else
        for (size_t i = 0; i < n; i++) h[i] = tanh_of(h[i]);
}

static void times_slope(float *ds, const float *h, size_t n, int relu) {
    if (relu)
        for (size_t i = 0; i < n; i++) ds[i] = h[i] > 0.f ? ds[i] : 0.f;
    else
        for (size_t i = 0; i < n; i++) ds[i] *= 1.f - h[i] * h[i];
}

/* h[0] is the state before the first step; h[t] holds W x_t + b, and holds h_t afterwards. Panels of U transposed. */
void forwards(float *h, const float *panels, size_t T, size_t rows, size_t H, size_t stride, int relu) {
    unsigned control = flush_denormals();
    for (size_t t = 0; t < T; t++) {
        float *past = h + t * stride, *now = past + stride;
        product(past, H, panels, rows, H, H, now, now, now + stride, H);
        squash(now, rows * H, relu);
    }
    restore(control);
}

/* ds[t] is the gradient by s_{t+1}, from dh[t], that by h_{t+1} as the layers above see it, and ds[T], which is there.
   dh[t] lies `apart` floats behind dh[t - 1]; all others, as always, `stride`. Panels of U as it is. */
void backwards(const float *dh, float *ds, const float *h, const float *panels, size_t T, size_t rows, size_t H,
               size_t apart, size_t stride, int relu) {
    unsigned control = flush_denormals();
    while (T-- > 0) {
        float *now = ds + T * stride;
        const float *above = dh + T * apart;
        product(now + stride, H, panels, rows, H, H, above, now, above - apart, H);
        times_slope(now, h + (T + 1) * stride, rows * H, relu);
    }
    restore(control);
}
