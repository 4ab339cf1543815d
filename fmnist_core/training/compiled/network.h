/* One image through the tutorial's network, forward and backward.

   The same arithmetic as PyTorch's, but for what no result depends on:

   * of the second convolution's 11x11 outputs pooling reads 10x10, so these are computed, from 12x12 of the first's 13x13;
   * a pooling window hands its gradient to one of four positions, and ReLU or dropout stop it altogether in many units:
     what is zero is not multiplied;
   * a window of nothing but background has one and the same output in all pictures, computed once a step.

   Layout: channels innermost, so that a row of a 3x3 kernel over all channels is one stretch of memory, and vectors run
   over output channels (forward) or over such stretches (backward). Widths are rounded up to whole vectors; what is in
   the padding never reaches a weight. */

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
typedef float quad __attribute__((vector_size(16)));
typedef float loosequad __attribute__((vector_size(16), aligned(4), may_alias));

#define LOAD(p) (*(const loose *)(p))
#define STORE(p, v) (*(loose *)(p) = (v))
#define INLINE static inline __attribute__((always_inline))
#define PADDED(n, to) (((n) + (to) - 1) / (to) * (to))

enum { SIDE = 28, POOLED1 = 12, POOLED2 = 5, CLASSES = 10, WINDOWS1 = POOLED1 * POOLED1, WINDOWS2 = POOLED2 * POOLED2 };
enum { PARTS = 8, SLACK = 128, MOST_CHUNKS = 16 };

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
    int row, span, kernel;      /* conv2: a kernel row; four pixels of its input; a kernel with zeros around it */
    int features;               /* inputs of fc1: window by window, channels innermost */
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
    float *image, *pooled1, *dpooled1, *dpooled2, *hidden, *dhidden;
    int32_t *at1, *at2;                    /* where each window's maximum was read: offset in image, in pooled1 */
    int32_t *units;
    void *memory;
} Worker;

INLINE vec choose(mask m, vec a, vec b) { return (vec)((m & (mask)a) | (~m & (mask)b)); }

INLINE float sum_of(vec v) {
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += v[lane];
    return sum;
}

/* --- One 3x3 convolution, ReLU and 2x2 pooling: the four outputs of one window, the largest, and where it was ------- */

/* `count` vectors of output channels. A nan is never smaller than anything, so that it comes through. */
INLINE void pool_window(const float *in, int stride, int channels, const float *weights, int width, const float *bias,
                        float *out, int32_t *at, int place, const int count) {
    vec sum[4][3];
#pragma GCC unroll 4
    for (int pixel = 0; pixel < 4; pixel++)
#pragma GCC unroll 3
        for (int v = 0; v < count; v++) sum[pixel][v] = LOAD(bias + v * LANES);
    for (int y = 0; y < 3; y++) {
        const float *row = in + y * stride;
        for (int k = 0; k < 3 * channels; k++, weights += width) {
            vec weight[3];
#pragma GCC unroll 3
            for (int v = 0; v < count; v++) weight[v] = LOAD(weights + v * LANES);
#pragma GCC unroll 4
            for (int pixel = 0; pixel < 4; pixel++) { /* 12 sums, 3 weights, 1 input: all 16 registers */
                const float x = row[k + pixel % 2 * channels + pixel / 2 * stride];
#pragma GCC unroll 3
                for (int v = 0; v < count; v++) sum[pixel][v] += x * weight[v];
            }
        }
    }
#pragma GCC unroll 3
    for (int v = 0; v < count; v++) { /* the first of equals wins, as in PyTorch */
        mask upper = ~(sum[1][v] <= sum[0][v]), lower = ~(sum[3][v] <= sum[2][v]);
        vec top = choose(upper, sum[1][v], sum[0][v]), bottom = choose(lower, sum[3][v], sum[2][v]);
        mask below = ~(bottom <= top), right = (below & lower) | (~below & upper);
        vec largest = choose(below, bottom, top);
        STORE(out + v * LANES, (vec)(~(largest <= 0.0f) & (mask)largest));
        *(looseint *)(at + v * LANES) = place + (right & channels) + (below & stride);
    }
}

INLINE void pool_channels(const float *in, int stride, int channels, const float *weights, int width, const float *bias,
                          float *out, int32_t *at, int place) {
    int first = 0;
    for (; width - first > 4 * LANES || width - first == 3 * LANES; first += 3 * LANES)
        pool_window(in, stride, channels, weights + first, width, bias + first, out + first, at + first, place, 3);
    for (; width - first >= 2 * LANES; first += 2 * LANES)
        pool_window(in, stride, channels, weights + first, width, bias + first, out + first, at + first, place, 2);
    if (width > first)
        pool_window(in, stride, channels, weights + first, width, bias + first, out + first, at + first, place, 1);
}

/* --- out = sum of factors[k] * rows[which[k]], for 12 vectors: registers hold the sums ---------------------------- */

enum { BLOCK = 12 * LANES };

INLINE void combine(float *out, const float *rows, int stride, const float *factors, int step, const int32_t *which,
                    int count) {
    vec sum[12] = {0};
    for (int k = 0; k < count; k++) {
        const float *row = rows + (long)which[k] * stride;
        float factor = factors[which[k] * step];
#pragma GCC unroll 12
        for (int v = 0; v < 12; v++) sum[v] += factor * LOAD(row + v * LANES);
    }
#pragma GCC unroll 12
    for (int v = 0; v < 12; v++) STORE(out + v * LANES, sum[v]);
}

/* --- One image, forward and backward ----------------------------------------------------------------------------- */

/* The weights as the forward pass reads them: output channels innermost; and the second convolution's kernels with
   zeros around them, so that one pooling window's share of the input gradient is always 4 rows of `span` floats. */
static void arrange_weights(Worker *me) {
    const Shape s = me->team->shape;
    const Job *job = &me->team->job;
    const float *w1 = me->team->small + s.w1, *w2 = me->team->small + s.w2;
    const int channels = job->channels1, stretch = channels + s.span;
    for (int o = 0; o < channels; o++)
        for (int k = 0; k < 9; k++) me->forward1[k * s.a + o] = w1[o * 12 + k / 3 * 4 + k % 3];
    for (int o = 0; o < job->channels2; o++)
        for (int y = 0; y < 3; y++) {
            const float *row = w2 + (o * 3 + y) * s.row;
            for (int k = 0; k < 3 * channels; k++) me->forward2[(y * 3 * channels + k) * s.b + o] = row[k];
            memcpy(me->backward2 + o * s.kernel + (y + 1) * stretch + channels, row, 3 * channels * sizeof(float));
        }
    for (int k = 0; k < 16; k++) me->image[k / 4 * SIDE + k % 4] = job->levels[0];
    pool_channels(me->image, SIDE, 1, me->forward1, s.a, me->team->small + s.b1, me->blank, me->at1, 0);
}

static int forward_convolutions(Worker *me, const uint8_t *pixels, float *features, uint8_t *windows) {
    const Shape s = me->team->shape;
    const float *small = me->team->small;
    const int channels = me->team->job.channels1, stride = POOLED1 * channels;
    for (int y = 0; y < 26; y++)
        for (int x = 0; x < 26; x++) me->image[y * SIDE + x] = me->team->job.levels[pixels[y * SIDE + x]];
    int filled = 0; /* windows with something in them */
    for (int i = 0; i < POOLED1; i++) {
        uint8_t any[SIDE];
        for (int x = 0; x < SIDE; x++)
            any[x] = pixels[2 * i * SIDE + x] | pixels[(2 * i + 1) * SIDE + x] | pixels[(2 * i + 2) * SIDE + x] |
                     pixels[(2 * i + 3) * SIDE + x];
        for (int j = 0; j < POOLED1; j++) {
            const int window = i * POOLED1 + j, place = 2 * i * SIDE + 2 * j;
            uint32_t four;
            memcpy(&four, any + 2 * j, 4);
            if (four) {
                windows[filled++] = window;
                pool_channels(me->image + place, SIDE, 1, me->forward1, s.a, small + s.b1,
                              me->pooled1 + window * channels, me->at1 + window * s.a, place);
            } else
                for (int v = 0; v < s.a; v += LANES)
                    STORE(me->pooled1 + window * channels + v, LOAD(me->blank + v));
        }
    }
    for (int i = 0; i < POOLED2; i++)
        for (int j = 0; j < POOLED2; j++) {
            const int window = i * POOLED2 + j, place = (2 * i * POOLED1 + 2 * j) * channels;
            pool_channels(me->pooled1 + place, stride, channels, me->forward2, s.b, small + s.b2,
                          features + window * s.b, me->at2 + window * s.b, place);
        }
    return filled;
}

/* fc1, ReLU and dropout, in `hidden`: the first `count` of `units`; the others stay what they are. */
static void hidden_layer(Worker *me, const float *features, int count, int drops) {
    const Shape s = me->team->shape;
    const float *small = me->team->small, scale = 1.0f / (float)(1.0 - me->team->job.dropout);
    for (int first = 0; first < count; first += 8) {
        const float *rows[8];
        vec sum[8] = {0};
        for (int k = 0; k < 8; k++)
            rows[k] = me->team->fc1 + (long)me->units[first + k < count ? first + k : count - 1] * s.features;
        for (int i = 0; i < s.features; i += LANES) {
            vec x = LOAD(features + i);
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) sum[k] += x * LOAD(rows[k] + i);
        }
        for (int k = 0; k < 8 && first + k < count; k++) {
            const int u = me->units[first + k];
            const float value = sum_of(sum[k]) + small[s.b3 + u];
            me->hidden[u] = value <= 0 ? 0 : drops ? value * scale : value;
        }
    }
}

/* fc2. */
static void last_layer(const Worker *me, float *logits) {
    const Shape s = me->team->shape;
    const float *small = me->team->small;
    for (int c = 0; c < CLASSES; c++) {
        vec sum = {0};
        for (int u = 0; u < s.h; u += LANES) sum += LOAD(me->hidden + u) * LOAD(small + s.w4 + c * s.h + u);
        logits[c] = sum_of(sum) + small[s.b4 + c];
    }
}

/* fc1, dropout, fc2 and the loss; leaves the gradient of fc1's outputs in `dhidden`. */
static double linear_layers(Worker *me, const float *features, int label, const uint8_t *kept, int images,
                            float *gradient, float *dhidden) {
    const Shape s = me->team->shape;
    const Job *job = &me->team->job;
    const float *small = me->team->small, scale = 1.0f / (float)(1.0 - job->dropout);
    int count = 0;
    for (int u = 0; u < job->hidden; u++) {
        me->units[count] = u;
        count += kept ? kept[u] : 1;
        me->hidden[u] = 0;
    }
    hidden_layer(me, features, count, kept != NULL);
    float logits[CLASSES], largest = -INFINITY, total = 0, mean = 0;
    last_layer(me, logits);
    for (int c = 0; c < CLASSES; c++)
        if (!(logits[c] <= largest)) largest = logits[c];
    float share[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
        total += share[c] = expf(logits[c] - largest);
        mean += logits[c] / CLASSES;
    }
    const float smoothing = job->smoothing, log_total = largest + logf(total);
    memset(dhidden, 0, s.h * sizeof(float));
    for (int c = 0; c < CLASSES; c++) {
        const float wanted = (c == label ? 1 - smoothing : 0) + smoothing / CLASSES;
        const float slope = (share[c] / total - wanted) / images;
        gradient[s.b4 + c] += slope;
        for (int u = 0; u < s.h; u += LANES) {
            float *sum = gradient + s.w4 + c * s.h + u;
            STORE(sum, LOAD(sum) + slope * LOAD(me->hidden + u));
            STORE(dhidden + u, LOAD(dhidden + u) + slope * LOAD(small + s.w4 + c * s.h + u));
        }
    }
    for (int u = 0; u < job->hidden; u++) /* 0 where ReLU or dropout gave 0 */
        dhidden[u] = me->hidden[u] == 0 ? 0 : kept ? dhidden[u] * scale : dhidden[u];
    return log_total - (1 - smoothing) * logits[label] - smoothing * mean;
}

static void backward_linear(Worker *me, const float *features, const float *dhidden) {
    const Shape s = me->team->shape;
    int count = 0;
    for (int u = 0; u < me->team->job.hidden; u++) {
        me->units[count] = u;
        count += dhidden[u] != 0;
    }
    for (int i = 0; i < s.features; i += BLOCK) {
        const int first = i + BLOCK <= s.features ? i : s.features - BLOCK; /* the last block overlaps */
        combine(me->dpooled2 + first, me->team->fc1 + first, s.features, dhidden, 1, me->units, count);
    }
    for (int i = 0; i < s.features; i += LANES)
        STORE(me->dpooled2 + i, (vec)(~(LOAD(features + i) <= 0.0f) & (mask)LOAD(me->dpooled2 + i)));
}

/* Each window's gradient g belongs to one position: the kernel's gradient gets g * (what the kernel saw there), the
   input's gradient gets g * (the kernel). */
static void backward_conv2(Worker *me, float *gradient) {
    const Shape s = me->team->shape;
    const Job *job = &me->team->job;
    const int channels = job->channels1, stride = POOLED1 * channels, stretch = channels + s.span;
    for (int o = 0; o < job->channels2; o++)
        for (int k = 0; k < s.row; k += 4 * LANES) {
            float *kernel = gradient + s.w2 + o * 3 * s.row + k;
            vec sum[12];
#pragma GCC unroll 12
            for (int v = 0; v < 12; v++) sum[v] = LOAD(kernel + v / 4 * s.row + v % 4 * LANES);
            for (int window = 0; window < WINDOWS2; window++) {
                const float g = me->dpooled2[window * s.b + o];
                const float *seen = me->pooled1 + me->at2[window * s.b + o] + k;
#pragma GCC unroll 12
                for (int v = 0; v < 12; v++) sum[v] += g * LOAD(seen + v / 4 * stride + v % 4 * LANES);
            }
#pragma GCC unroll 12
            for (int v = 0; v < 12; v++) STORE(kernel + v / 4 * s.row + v % 4 * LANES, sum[v]);
        }
    for (int v = 0; v < s.b; v += LANES) {
        vec sum = LOAD(gradient + s.b2 + v);
        for (int window = 0; window < WINDOWS2; window++) sum += LOAD(me->dpooled2 + window * s.b + v);
        STORE(gradient + s.b2 + v, sum);
    }
    memset(me->dpooled1, 0, (WINDOWS1 * channels + SLACK) * sizeof(float));
    for (int window = 0; window < WINDOWS2; window++) {
        const int place = (window / POOLED2 * 2 * POOLED1 + window % POOLED2 * 2) * channels;
        const float *g = me->dpooled2 + window * s.b;
        const int32_t *at = me->at2 + window * s.b;
        int count = 0;
        int32_t starts[job->channels2];
        float slopes[job->channels2];
        for (int o = 0; o < job->channels2; o++) {
            const int offset = at[o] - place, below = offset >= stride, right = offset - below * stride; /* 0 or channels */
            starts[count] = o * s.kernel + (1 - below) * stretch + channels - right;
            slopes[count] = g[o];
            count += g[o] != 0;
        }
        for (int y = 0; y < 4; y += 2)
            for (int x = 0; x < s.span; x += 5 * LANES) {
                float *to = me->dpooled1 + place + y * stride + x;
                vec sum[10];
#pragma GCC unroll 10
                for (int v = 0; v < 10; v++) sum[v] = LOAD(to + v / 5 * stride + v % 5 * LANES);
                for (int k = 0; k < count; k++) {
                    const float *kernel = me->backward2 + starts[k] + y * stretch + x;
#pragma GCC unroll 10
                    for (int v = 0; v < 10; v++) sum[v] += slopes[k] * LOAD(kernel + v / 5 * stretch + v % 5 * LANES);
                }
#pragma GCC unroll 10
                for (int v = 0; v < 10; v++) STORE(to + v / 5 * stride + v % 5 * LANES, sum[v]);
            }
    }
}

static void backward_conv1(Worker *me, const uint8_t *windows, int filled, float *gradient) {
    const Shape s = me->team->shape;
    const int channels = me->team->job.channels1;
    for (int i = 0; i < WINDOWS1 * channels; i += LANES)
        STORE(me->dpooled1 + i, (vec)(~(LOAD(me->pooled1 + i) <= 0.0f) & (mask)LOAD(me->dpooled1 + i)));
    for (int o = 0; o < channels; o += 4) {
        quad sum[4][3];
        float *kernel = gradient + s.w1 + o * 12;
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++) sum[k / 3][k % 3] = *(loosequad *)(kernel + k * 4);
        for (int k = 0; k < filled; k++) {
            const float *g = me->dpooled1 + windows[k] * channels + o;
            const int32_t *at = me->at1 + windows[k] * s.a + o;
#pragma GCC unroll 4
            for (int n = 0; n < 4; n++)
#pragma GCC unroll 3
                for (int y = 0; y < 3; y++) sum[n][y] += g[n] * *(loosequad *)(me->image + at[n] + y * SIDE);
        }
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++) *(loosequad *)(kernel + k * 4) = sum[k / 3][k % 3];
    }
    const float level = me->team->job.levels[0];
    for (int v = 0; v < s.a; v += LANES) {
        vec all = {0}, seen = {0};
        for (int window = 0; window < WINDOWS1; window++) all += LOAD(me->dpooled1 + window * channels + v);
        for (int k = 0; k < filled; k++) seen += LOAD(me->dpooled1 + windows[k] * channels + v);
        STORE(gradient + s.b1 + v, LOAD(gradient + s.b1 + v) + all);
        if (level != 0) /* where background is not zero, the windows that were left out count too */
            for (int n = 0; n < LANES; n++)
                for (int k = 0; k < 9; k++)
                    gradient[s.w1 + (v + n) * 12 + k / 3 * 4 + k % 3] += level * (all - seen)[n];
    }
}
