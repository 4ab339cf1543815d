/* The tutorial's network in memory, and the vectors that compute with it; `forward.h` and `backward.h` take one image
   through it.

   The same arithmetic as PyTorch's, but for what no result depends on:

   * of the second convolution's 11x11 outputs pooling reads 10x10, so these are computed, from 12x12 of the first's 13x13;
   * a pooling window hands its gradient to one of four positions, and ReLU or dropout stop it altogether in many units:
     what is zero is not multiplied;
   * a window of nothing but background has one and the same output in all pictures, computed once a step.

   Layout: channels innermost, so that a row of a 3x3 kernel over all channels is one stretch of memory, and vectors run
   over output channels (forward) or over such stretches (backward). Of 20 output channels a vector of 8 holds two times 8,
   and then, half empty, 4: there one half works for one pixel, the other for the next. Widths of memory are rounded up to
   whole vectors; what is in the padding never reaches a weight. */

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef LANES /* floats in a vector; the first Zen has AVX2, but multiplies in halves of it */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__) && !defined(__znver1__)
#define LANES 8
#else
#define LANES 4
#endif
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));     /* at any address */
typedef int32_t looseint __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* The numbers of the lanes in half a vector. */
#if LANES == 16
#define LOW 0, 1, 2, 3, 4, 5, 6, 7
#define HIGH 8, 9, 10, 11, 12, 13, 14, 15
#define HIGH_OF_SECOND 24, 25, 26, 27, 28, 29, 30, 31
#elif LANES == 8
#define LOW 0, 1, 2, 3
#define HIGH 4, 5, 6, 7
#define HIGH_OF_SECOND 12, 13, 14, 15
#else
#define LOW 0, 1
#define HIGH 2, 3
#define HIGH_OF_SECOND 6, 7
#endif
#ifdef __clang__
#define LANES_OF(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define LANES_OF(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

#define LOAD(p) (*(const loose *)(p))
#define STORE(p, v) (*(loose *)(p) = (v))
#define INLINE static inline __attribute__((always_inline))
#define PADDED(n, to) (((n) + (to) - 1) / (to) * (to))

enum { SIDE = 28, POOLED1 = 12, POOLED2 = 5, CLASSES = 10, WINDOWS1 = POOLED1 * POOLED1, WINDOWS2 = POOLED2 * POOLED2 };
enum { PARTS = 8, SLACK = 128, MOST_CHUNKS = 16 };
enum { PATCH = 16 };           /* the 4x4 pixels of one of conv1's pooling windows; a 3x3 kernel, its rows of 4 as in there */
enum { /* what registers hold at once: of each of conv2's three kernel rows; of a row of fc1; kernels of conv1 */
    STRETCH = LANES == 4 ? 16 : 32,
    SPREAD = LANES == 16 ? 48 : 5 * LANES,
    BLOCK = 8 * LANES,
    GROUP = 5,
    ROWS1 = PADDED(12, LANES) / LANES
};

/* What Python passes; `library.Job` has the same fields in the same order. */
typedef struct {
    int64_t channels1, channels2, hidden; /* widths of the network */
    int64_t batch, images, threads;       /* images per step; in all, so that the last step may have fewer */
    const uint8_t *pixels;                /* (N, 28, 28) */
    const int64_t *labels;                /* (N,) */
    const int64_t *order;                 /* (images,) which images, in order */
    const float *levels;                  /* (256,) what each grey level is to the network */
    const uint8_t *kept;                  /* (images, hidden) 1 where dropout keeps a unit; NULL: all are kept */
    const float *rates;                   /* (steps,) learning rates */
    float *parameters[8];                 /* conv1, conv2, fc1, fc2: weight (convolutions: out, y, x, in), bias */
    float *momenta[8];                    /* their momentum buffers */
    float *losses;                        /* (steps,) out: mean of each batch */
    double dropout, smoothing, momentum, decay;
    int64_t nesterov;
} Job;

/* Places in one row of floats for all parameters but fc1.weight, which has a row of its own. */
typedef struct {
    int a, b, h;                /* widths in whole vectors */
    int row, span, kernel;      /* conv2: a kernel row; four pixels of its input; a kernel with its rows as long as those */
    int features, pace;         /* inputs of fc1: window by window, channels innermost, in whole blocks; from row to row */
    int w1, b1, w2, b2, b3, w4, b4, total;
} Shape;

typedef struct {
    Job job;
    Shape shape;
    int steps, chunks;
    float *small, *small_momentum, *real;  /* parameters but fc1.weight; 1 where a parameter is, 0 in the padding */
    float *fc1, *fc1_momentum;             /* (hidden, features) */
    float *gradients;                      /* (chunks, shape.total) */
    float *features, *dhidden;             /* (batch, features); (batch, h): of this step */
    double chunk_loss[MOST_CHUNKS];
    int finite[2][PARTS + 1];              /* whether each part's weights were, after this step and the one before */
    _Alignas(64) atomic_long next;         /* work that is taken, counted over all steps */
    _Alignas(64) atomic_long done;
} Team;

/* One thread's own: the weights in the order of the forward pass, and one image's values. */
typedef struct {
    Team *team;
    int version;                           /* the step that the weights are of */
    float *forward1, *forward2, *backward2, *blank;
    float *patches, *pooled1, *dpooled1, *dpooled2, *hidden; /* patches: (WINDOWS1, PATCH) of the image */
    int32_t *at1, *at2;                    /* where each window's maximum was read: offset in patches, in pooled1 */
    int32_t *units;
    void *memory;
} Worker;

/* x in each lane. The empty instruction hides from gcc what they hold: for half a vector it would read x once more. */
INLINE vec all(float x) {
    vec lanes = x - (vec){0};
#if defined(__x86_64__)
    __asm__("" : "+v"(lanes));
#endif
    return lanes;
}

INLINE vec choose(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

INLINE vec halves(vec a, vec b) { return LANES_OF(a, b, LOW, HIGH_OF_SECOND); } /* the lower of a, the upper of b */
INLINE vec swapped(vec v) { return LANES_OF(v, v, HIGH, LOW); }

INLINE float sum_of(vec v) {
    float sum = 0;
    v += swapped(v); /* half as many lanes to take apart */
    for (int lane = 0; lane < LANES / 2; lane += 2) sum += v[lane] + v[lane + 1];
    return sum;
}

INLINE int is_zero(mask m) {
    int32_t bits = 0;
    for (int lane = 0; lane < LANES; lane++) bits |= m[lane];
    return bits == 0;
}

/* Whether the last vector of output channels is at most half full; vectors of 4 are as they are. */
INLINE int has_tail(int outputs) { return LANES > 4 && outputs % LANES > 0 && outputs % LANES <= LANES / 2; }

