/* The recurrences of an LSTM and of a GRU over some steps, and their way back.

   What comes from below and what came before meet in four units for each of the H of a state, all of them rows:

       LSTM    i, f, g, o = W x_t + b + U h_{t-1}                 i, f, o = sigmoid, g = tanh
               c_t = f c_{t-1} + i g                              h_t = o tanh(c_t)
       GRU     r, z       = W x_t + b + U h_{t-1}                 r, z = sigmoid
               n, q       = W x_t + b, and b + U h_{t-1}          n = tanh(n + r q)
               h_t = (1 - z) n + z h_{t-1}

   `units` of a step hold W x_t at first and what has been squashed afterwards: of an LSTM i, f, g, o; of a GRU n, r, z.
   `kept` of a step is c_t, or q; h_{t-1} and c_{t-1} lie `stride` floats before h_t and c_t. b has 4 H floats in the
   order of `dunits`, the gradients by the units before they are squashed: i, f, g, o, or n, r, z, q. A call takes `rows`
   of the B sequences, which lie one behind the other, through T steps. */

#include "../tiles.h"

/* To single precision wherever neither it nor its reciprocal overflows, and constant beyond. */
static inline float exp_of(float x) {
    x = x < -87.f ? -87.f : x > 87.f ? 87.f : x;
    union { float real; int bits; } n = {x * 1.44269504f + 12582912.f}; /* the lowest bits are those of round(x / log 2) */
    float whole = n.real - 12582912.f;
    float y = x - whole * 0.693145752f - whole * 1.42860677e-06f;
    float p = 1.f / 720;
    p = p * y + 1.f / 120;
    p = p * y + 1.f / 24;
    p = p * y + 1.f / 6;
    p = p * y + 1.f / 2;
    p = p * y + 1.f;
    p = p * y + 1.f;
    union { int bits; float real; } power = {(int)((unsigned)n.bits << 23) + 0x3f800000};
    return p * power.real;
}

static inline float sigmoid_of(float x) { return 1.f / (1.f + exp_of(-x)); }

static void lstm_forward(float *restrict units, const float *restrict b, const float *restrict past, float *restrict c,
                         float *restrict h, size_t H) {
    float *i = units, *f = i + H, *g = f + H, *o = g + H;
    for (size_t j = 0; j < H; j++) {
        float i_j = sigmoid_of(i[j] + b[j]), f_j = sigmoid_of(f[j] + b[H + j]);
        float g_j = tanh_of(g[j] + b[2 * H + j]), o_j = sigmoid_of(o[j] + b[3 * H + j]);
        float c_j = f_j * past[j] + i_j * g_j;
        i[j] = i_j, f[j] = f_j, g[j] = g_j, o[j] = o_j, c[j] = c_j;
        h[j] = o_j * tanh_of(c_j);
    }
}

static void lstm_backward(const float *restrict units, const float *restrict past, const float *restrict c,
                          const float *restrict above, float *restrict dh, float *restrict dc, float *restrict dunits,
                          size_t H) {
    const float *i = units, *f = i + H, *g = f + H, *o = g + H;
    for (size_t j = 0; j < H; j++) {
        float out = tanh_of(c[j]), dh_j = above[j] + dh[j], dc_j = dc[j] + dh_j * o[j] * (1.f - out * out);
        dunits[j] = dc_j * g[j] * i[j] * (1.f - i[j]);
        dunits[H + j] = dc_j * past[j] * f[j] * (1.f - f[j]);
        dunits[2 * H + j] = dc_j * i[j] * (1.f - g[j] * g[j]);
        dunits[3 * H + j] = dh_j * out * o[j] * (1.f - o[j]);
        dc[j] = dc_j * f[j];
        dh[j] = 0.f;
    }
}

static void gru_forward(float *restrict units, const float *restrict b, const float *restrict past, float *restrict q,
                        float *restrict h, size_t H) {
    float *n = units, *r = n + H, *z = r + H;
    for (size_t j = 0; j < H; j++) {
        float r_j = sigmoid_of(r[j] + b[H + j]), z_j = sigmoid_of(z[j] + b[2 * H + j]), q_j = q[j] + b[3 * H + j];
        float n_j = tanh_of(n[j] + b[j] + r_j * q_j);
        n[j] = n_j, r[j] = r_j, z[j] = z_j, q[j] = q_j;
        h[j] = n_j + z_j * (past[j] - n_j);
    }
}

static void gru_backward(const float *restrict units, const float *restrict past, const float *restrict q,
                         const float *restrict above, float *restrict dh, float *restrict dunits, size_t H) {
    const float *n = units, *r = n + H, *z = r + H;
    for (size_t j = 0; j < H; j++) {
        float dh_j = above[j] + dh[j], dn = dh_j * (1.f - z[j]) * (1.f - n[j] * n[j]);
        dunits[j] = dn;
        dunits[H + j] = dn * q[j] * r[j] * (1.f - r[j]);
        dunits[2 * H + j] = dh_j * (past[j] - n[j]) * z[j] * (1.f - z[j]);
        dunits[3 * H + j] = dn * r[j];
        dh[j] = dh_j * z[j];
    }
}

/* Panels of U transposed: for an LSTM those of all its units, for a GRU those of r and z, and behind them those of q.
   h and kept lie where the first step's are to be. */
void lstm_forwards(float *units, const float *b, float *h, float *kept, const float *panels, size_t T, size_t rows,
                   size_t H, size_t B) {
    unsigned control = flush_denormals();
    size_t stride = B * H;
    for (; T-- > 0; units += 4 * stride, h += stride, kept += stride) {
        const float *past = h - stride;
        product(past, H, panels, rows, H, 4 * H, units, units, units + 4 * stride, 4 * H);
        for (size_t i = 0; i < rows; i++)
            lstm_forward(units + i * 4 * H, b, kept - stride + i * H, kept + i * H, h + i * H, H);
    }
    restore(control);
}

void gru_forwards(float *units, const float *b, float *h, float *kept, const float *panels, size_t T, size_t rows,
                  size_t H, size_t B) {
    unsigned control = flush_denormals();
    size_t stride = B * H;
    const float *panels_of_q = panels + panel_size(H, 2 * H);
    for (; T-- > 0; units += 3 * stride, h += stride, kept += stride) {
        const float *past = h - stride;
        float *r = units + H;
        product(past, H, panels, rows, H, 2 * H, r, r, r + 3 * stride, 3 * H);
        for (size_t i = 0; i < rows * H; i++) kept[i] = 0.f;
        product(past, H, panels_of_q, rows, H, H, kept, kept, kept + stride, H);
        for (size_t i = 0; i < rows; i++)
            gru_forward(units + i * 3 * H, b, past + i * H, kept + i * H, h + i * H, H);
    }
    restore(control);
}

/* From `above`, the gradients by h_t as the layers above see them. dh and dc are the gradients by the last step's states
   that come from all later steps, and by the states before the first step afterwards. Panels of U as it is. */
void lstm_backwards(const float *above, float *dunits, const float *units, const float *h, const float *kept, float *dh,
                    float *dc, const float *panels, size_t T, size_t rows, size_t H, size_t B) {
    unsigned control = flush_denormals();
    size_t stride = B * H;
    (void)h;
    while (T-- > 0) {
        float *now = dunits + T * 4 * stride;
        const float *u = units + T * 4 * stride, *c = kept + T * stride, *a = above + T * stride;
        for (size_t i = 0; i < rows; i++)
            lstm_backward(u + i * 4 * H, c - stride + i * H, c + i * H, a + i * H, dh + i * H, dc + i * H,
                          now + i * 4 * H, H);
        product(now, 4 * H, panels, rows, 4 * H, H, dh, dh, a - stride, H);
    }
    restore(control);
}

void gru_backwards(const float *above, float *dunits, const float *units, const float *h, const float *kept, float *dh,
                   float *dc, const float *panels, size_t T, size_t rows, size_t H, size_t B) {
    unsigned control = flush_denormals();
    size_t stride = B * H;
    (void)dc;
    while (T-- > 0) {
        float *now = dunits + T * 4 * stride;
        const float *u = units + T * 3 * stride, *past = h + T * stride - stride, *a = above + T * stride;
        for (size_t i = 0; i < rows; i++)
            gru_backward(u + i * 3 * H, past + i * H, kept + T * stride + i * H, a + i * H, dh + i * H,
                         now + i * 4 * H, H);
        product(now + H, 4 * H, panels, rows, 3 * H, H, dh, dh, a - stride, H);
    }
    restore(control);
}
