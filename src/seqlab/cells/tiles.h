/* What the scans of all cells are made of: products of some rows with a matrix that is read again and again, and the
   functions that squash.

   The matrix is read from panels of LANES columns, so that what one turn of the innermost loop needs of it is one vector.

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
enum { WIDEST = 8 };

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

/* to = from + A P, for `rows` rows of A and `vecs` panels of P, both constants where this is called. Rows of A, of K
   floats, lie `apart` floats from each other; those of `from` and `to` lie `width` floats from each other. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vecs, const float *A, size_t apart,
                                                       const float *P, size_t K, const float *from, float *to,
                                                       size_t width) {
    vec sum[TALLEST][WIDEST];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) sum[i][v] = *(const vec *)(from + i * width + v * LANES);
    for (size_t k = 0; k < K; k++) {
        vec column[WIDEST];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) column[v] = *(const vec *)(P + (v * K + k) * LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) sum[i][v] += A[i * apart + k] * column[v];
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) *(vec *)(to + i * width + v * LANES) = sum[i][v];
}

/* The same for numbers that are known only when it runs. */
static void any_tile(int rows, int vecs, const float *A, size_t apart, const float *P, size_t K, const float *from,
                     float *to, size_t width) {
#define CASE(rows, vecs)                                                                                              \
    case 16 * rows + vecs: tile(rows, vecs, A, apart, P, K, from, to, width); return;
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

/* to = from + A P, for `rows` rows of A and N columns; `from` may be `to`. What lies at `next`, which is read
   thereafter, is called from memory meanwhile; its rows lie as those of `from` and `to`. */
static void product(const float *A, size_t apart, const float *P, size_t rows, size_t K, size_t N, const float *from,
                    float *to, const float *next, size_t width) {
    size_t tiles = (rows + TALLEST - 1) / TALLEST, tallest = (rows + tiles - 1) / tiles;
    size_t vecs = 6 * tallest <= TALLEST ? 8 : 2 * tallest <= TALLEST ? 4 : 2;
    for (size_t column = 0; column < N; column += vecs * LANES) {
        while (vecs > 1 && column + vecs * LANES > N) vecs /= 2;
        size_t wide = N - column < LANES ? N - column : 0; /* the columns of a panel that is not full */
        for (size_t i = 0; i < tiles; i++) {
            size_t first = rows * i / tiles, n = rows * (i + 1) / tiles - first;
            const float *a = A + first * apart, *p = P + column * K, *f = from + first * width + column;
            float *t = to + first * width + column;
            for (size_t r = 0; r < n; r++)
                for (size_t v = 0; v < vecs; v++)
                    __builtin_prefetch(next + (first + r) * width + column + v * LANES, 1, 2);
            if (!wide) {
                any_tile(n, vecs, a, apart, p, K, f, t, width);
                continue;
            }
            float part[TALLEST * LANES] = {0};
            for (size_t r = 0; r < n; r++) memcpy(part + r * LANES, f + r * width, wide * sizeof(float));
            any_tile(n, 1, a, apart, p, K, part, part, LANES);
            for (size_t r = 0; r < n; r++) memcpy(t + r * width, part + r * LANES, wide * sizeof(float));
        }
    }
}

/* How many floats the panels of a K x N matrix take. */
size_t panel_size(size_t K, size_t N) { return (N + LANES - 1) / LANES * LANES * K; }

/* The panels of a K x N matrix, or of the transpose of an N x K one. */
void pack(const float *M, float *panels, size_t K, size_t N, int transposed) {
    for (size_t column = 0; column < N; column += LANES)
        for (size_t k = 0; k < K; k++)
            for (size_t j = column; j < column + LANES; j++)
                *panels++ = j >= N ? 0.f : transposed ? M[j * K + k] : M[k * N + j];
}
