/* The recurrence of a vanilla RNN over whole sequences, and its way back:

       h_t  = squash(a_t + U h_{t-1})               a_t = W x_t + b, which lies where h_t is to be
       ds_t = slope(h_t) * (dh_t + U' ds_{t+1})     slope: 1 - h^2 for tanh; for ReLU 1 where h > 0, else 0

   A state is a row of H floats; step t of a sequence lies `stride` floats behind step t - 1. A call takes `rows`
   sequences, which lie one behind the other, through T steps. U is read from panels of LANES columns, so that what one
   turn of the innermost loop needs of it is one vector.

   C11 with the vector extensions of GCC and Clang; the instruction set is that of the flags. */

#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16, TALLEST = 12 };
#elif defined(__AVX__)
enum { LANES = 8, TALLEST = 6 };
#else
enum { LANES = 4, TALLEST = 6 };
#endif
enum { WIDEST = 8, BLOCK = 16 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* Numbers too small to be normal are taken as zero: a gradient that vanishes passes through them, at a crawl. */
#if defined(__SSE__)
#include <xmmintrin.h>
static unsigned flush_denormals(void) {
    unsigned was = _mm_getcsr();
    _mm_setcsr(was | 0x8040);
    return was;
}
static void restore(unsigned was) { _mm_setcsr(was); }
#else
static unsigned flush_denormals(void) { return 0; }
static void restore(unsigned was) { (void)was; }
#endif

/* x P(x^2) / Q(x^2), fitted on [-9, 9] with a relative error of 2.1e-8; in single precision it is 3.1e-7. */
static inline float tanh_of(float x) {
    x = x < -9.f ? -9.f : x > 9.f ? 9.f : x;
    float y = x * x;
    float p = 1.335461417e-08f;
    p = p * y + 2.060904705e-05f;
    p = p * y + 3.495585952e-03f;
    p = p * y + 1.338102382e-01f;
    p = p * y + 9.999999795e-01f;
    float q = 7.776538594e-07f;
    q = q * y + 3.285631277e-04f;
    q = q * y + 2.587697393e-02f;
    q = q * y + 4.671433942e-01f;
    q = q * y + 1.f;
    x = x * p / q;
    return x < -1.f ? -1.f : x > 1.f ? 1.f : x;
}

/* to = from + A P, for `rows` rows of A and `vecs` panels of P, both constants where this is called. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vecs, const float *A, const float *P,
                                                       size_t H, const float *from, float *to, size_t width) {
    vec sum[TALLEST][WIDEST];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) sum[i][v] = *(const vec *)(from + i * width + v * LANES);
    for (size_t k = 0; k < H; k++) {
        vec column[WIDEST];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) column[v] = *(const vec *)(P + (v * H + k) * LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) sum[i][v] += A[i * H + k] * column[v];
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) *(vec *)(to + i * width + v * LANES) = sum[i][v];
}


/* The same for numbers that are known only when it runs. */
static void any_tile(int rows, int vecs, const float *A, const float *P, size_t H, const float *from, float *to,
                     size_t width) {
#define CASE(rows, vecs)                                                                                              \
    case 16 * rows + vecs: tile(rows, vecs, A, P, H, from, to, width); return;
    switch (16 * rows + vecs) {
        CASE(1, 1) CASE(2, 1) CASE(3, 1) CASE(4, 1) CASE(5, 1) CASE(6, 1)
        CASE(1, 2) CASE(2, 2) CASE(3, 2) CASE(4, 2) CASE(5, 2) CASE(6, 2)
        CASE(1, 4) CASE(2, 4) CASE(3, 4)
        CASE(1, 8)
#if defined(__AVX512F__)
        CASE(7, 1) CASE(8, 1) CASE(9, 1) CASE(10, 1) CASE(11, 1) CASE(12, 1)
        CASE(7, 2) CASE(8, 2) CASE(9, 2) CASE(10, 2) CASE(11, 2) CASE(12, 2)
        CASE(4, 4) CASE(5, 4) CASE(6, 4)
        CASE(2, 8)
#endif
    }
}

/* to = from + A P, for all columns of some rows; `from` may be `to`. What lies at `next`, which is read thereafter, is
   called from memory meanwhile. */
static void product(const float *A, const float *P, size_t rows, size_t H, const float *from, float *to,
                    const float *next) {
    size_t tiles = (rows + TALLEST - 1) / TALLEST, tallest = (rows + tiles - 1) / tiles;
    size_t vecs = 6 * tallest <= TALLEST ? 8 : 2 * tallest <= TALLEST ? 4 : 2;
    for (size_t column = 0; column < H; column += vecs * LANES) {
        while (vecs > 1 && column + vecs * LANES > H) vecs /= 2;
        size_t wide = H - column < LANES ? H - column : 0; /* the columns of a panel that is not full */
        for (size_t i = 0; i < tiles; i++) {
            size_t first = rows * i / tiles, n = rows * (i + 1) / tiles - first;
            const float *a = A + first * H, *p = P + column * H, *f = from + first * H + column;
            float *t = to + first * H + column;
            for (size_t r = 0; r < n; r++)
                for (size_t v = 0; v < vecs; v++) __builtin_prefetch(next + (first + r) * H + column + v * LANES, 1, 2);
            if (!wide) {
                any_tile(n, vecs, a, p, H, f, t, H);
                continue;
            }
            float part[TALLEST * LANES] = {0};
            for (size_t r = 0; r < n; r++) memcpy(part + r * LANES, f + r * H, wide * sizeof(float));
            any_tile(n, 1, a, p, H, part, part, LANES);
            for (size_t r = 0; r < n; r++) memcpy(t + r * H, part + r * LANES, wide * sizeof(float));
        }
    }
}

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

static int is_zero(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0.f) return 0;
    return 1;
}

/* How many floats the panels of an H x H matrix take. */
size_t panel_size(size_t H) { return (H + LANES - 1) / LANES * LANES * H; }

/* The panels of U, or of its transpose. */
void pack(const float *U, float *panels, size_t H, int transposed) {
    for (size_t column = 0; column < H; column += LANES)
        for (size_t k = 0; k < H; k++)
            for (size_t j = column; j < column + LANES; j++)
                *panels++ = j >= H ? 0.f : transposed ? U[j * H + k] : U[k * H + j];
}

/* h[0] is the state before the first step; h[t] holds W x_t + b, and holds h_t afterwards. Panels of U transposed. */
void forwards(float *h, const float *panels, size_t T, size_t rows, size_t H, size_t stride, int relu) {
    unsigned control = flush_denormals();
    for (size_t t = 0; t < T; t++) {
        float *past = h + t * stride, *now = past + stride;
        product(past, panels, rows, H, now, now, now + stride);
        squash(now, rows * H, relu);
    }
    restore(control);
}

/* ds[t] is the gradient by s_{t+1}, from dh[t], that by h_{t+1} as the layers above see it. Panels of U as it is.

   Where dh is of the last step alone, the scan ends where ds has become zero, as it then is in all earlier steps; these
   are not written. Returns how many steps are not zero, or T. */
size_t backwards(const float *dh, float *ds, const float *h, const float *panels, size_t T, size_t rows, size_t H,
                 size_t stride, int relu, int last_alone) {
    unsigned control = flush_denormals();
    size_t n = rows * H, made = 0;
    while (made < T) {
        size_t t = T - ++made;
        float *now = ds + t * stride;
        const float *above = last_alone ? now : dh + t * stride;
        if (last_alone) memset(now, 0, n * sizeof(float));
        if (made == 1)
            memcpy(now, last_alone ? dh : above, n * sizeof(float));
        else
            product(now + stride, panels, rows, H, above, now, above - stride);
        times_slope(now, h + (t + 1) * stride, n, relu);
        if (last_alone && made % BLOCK == 0 && is_zero(now, n)) {
            while (made > 0 && is_zero(ds + (T - made) * stride, n)) made--;
            break;
        }
    }
    restore(control);
    return made;
}
