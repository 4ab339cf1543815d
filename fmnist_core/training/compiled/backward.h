/* One image through the network, backward. */

#include "forward.h"

/* --- Sums in registers -------------------------------------------------------------------------------------------- */

/* sum = sum of factors[k] * rows[which[k]], one block of them. */
INLINE void combine(vec *sum, const float *rows, int stride, const float *factors, int step, const int32_t *which, int count) {
    for (int v = 0; v < 8; v++) sum[v] = (vec){0};
    for (int k = 0; k < count; k++) {
        const float *row = rows + (long)which[k] * stride, factor = factors[which[k] * step];
#pragma GCC unroll 8
        for (int v = 0; v < 8; v++) sum[v] += factor * LOAD(row + v * LANES);
    }
}

/* Of a vector of columns, each with `stride` to its next row: four sums at once, since one addition waits for another. */
INLINE vec sum_of_rows(const float *rows, int stride, int count) {
    vec sum[4] = {0};
    int k = 0;
    for (; k + 4 <= count; k += 4)
#pragma GCC unroll 4
        for (int n = 0; n < 4; n++) sum[n] += LOAD(rows + (long)(k + n) * stride);
    for (; k < count; k++) sum[0] += LOAD(rows + (long)k * stride);
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* --- The linear layers -------------------------------------------------------------------------------------------- */

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
        vec sum[8];
        combine(sum, me->team->fc1 + i, s.pace, dhidden, 1, me->units, count);
#pragma GCC unroll 8
        for (int v = 0; v < 8; v++)
            STORE(me->dpooled2 + i + v * LANES, (vec)(~(LOAD(features + i + v * LANES) <= 0.0f) & (mask)sum[v]));
    }
}

/* --- The second convolution --------------------------------------------------------------------------------------- */

/* Each window's gradient g belongs to one position: the kernel's gradient gets g * (what the kernel saw there), the
   input's gradient gets g * (the kernel). Where g is 0, nothing is to be done: ReLU stops more than half of them. */

static void backward_kernels2(Worker *me, float *gradient) {
    const Shape s = me->team->shape;
    const int channels = me->team->job.channels2, stride = POOLED1 * me->team->job.channels1;
    uint32_t live[channels]; /* a bit for each window */
    memset(live, 0, sizeof live);
    for (int window = 0; window < WINDOWS2; window++)
        for (int o = 0; o < channels; o++) live[o] |= (uint32_t)(me->dpooled2[window * channels + o] != 0) << window;
    for (int o = 0; o < channels; o++)
        for (int k = 0; k < s.row; k += STRETCH) {
            float *kernel = gradient + s.w2 + o * 3 * s.row + k;
            vec sum[3][STRETCH / LANES];
#pragma GCC unroll 12
            for (int v = 0; v < 3 * STRETCH / LANES; v++)
                sum[v % 3][v / 3] = LOAD(kernel + v % 3 * s.row + v / 3 * LANES);
            for (uint32_t left = live[o]; left; left &= left - 1) {
                const int place = __builtin_ctz(left) * channels + o;
                const float g = me->dpooled2[place], *seen = me->pooled1 + me->at2[place] + k;
#pragma GCC unroll 12
                for (int v = 0; v < 3 * STRETCH / LANES; v++)
                    sum[v % 3][v / 3] += g * LOAD(seen + v % 3 * stride + v / 3 * LANES);
            }
#pragma GCC unroll 12
            for (int v = 0; v < 3 * STRETCH / LANES; v++)
                STORE(kernel + v % 3 * s.row + v / 3 * LANES, sum[v % 3][v / 3]);
        }
    for (int v = 0; v < s.b; v += LANES)
        STORE(gradient + s.b2 + v, LOAD(gradient + s.b2 + v) + sum_of_rows(me->dpooled2 + v, channels, WINDOWS2));
}

/* Adds to three rows of four pixels what the output channels of `live`, a bit for each, give them. */
INLINE void spread(float *to, int stride, const float *kernels, const int32_t *starts, int span, const float *g,
                   uint32_t live) {
    if (live)
        for (int x = 0; x < span; x += SPREAD) {
            vec sum[3][SPREAD / LANES];
#pragma GCC unroll 15
            for (int v = 0; v < 3 * SPREAD / LANES; v++) sum[v % 3][v / 3] = LOAD(to + v % 3 * stride + x + v / 3 * LANES);
            for (uint32_t left = live; left; left &= left - 1) {
                const int o = __builtin_ctz(left);
                const float *kernel = kernels + starts[o] + x;
#pragma GCC unroll 15
                for (int v = 0; v < 3 * SPREAD / LANES; v++)
                    sum[v % 3][v / 3] += g[o] * LOAD(kernel + v % 3 * span + v / 3 * LANES);
            }
#pragma GCC unroll 15
            for (int v = 0; v < 3 * SPREAD / LANES; v++) /* row by row: where rows are short, the next one has the last word */
                STORE(to + v / (SPREAD / LANES) * stride + x + v % (SPREAD / LANES) * LANES,
                      sum[v / (SPREAD / LANES)][v % (SPREAD / LANES)]);
        }
}

static void backward_inputs2(Worker *me) {
    const Shape s = me->team->shape;
    const int channels1 = me->team->job.channels1, channels2 = me->team->job.channels2, stride = POOLED1 * channels1;
    memset(me->dpooled1, 0, (WINDOWS1 * channels1 + SLACK) * sizeof(float));
    for (int k = 0; k < WINDOWS2; k++) {
        const int i = k / POOLED2, j = k % POOLED2 * 2 % POOLED2; /* 0, 2, 4, 1, 3: a neighbour's sums are not in memory yet */
        const int place = (i * stride + j * channels1) * 2;
        for (int first = 0; first < channels2; first += 32) {
            const float *g = me->dpooled2 + (i * POOLED2 + j) * channels2 + first;
            const int32_t *at = me->at2 + (i * POOLED2 + j) * channels2 + first;
            const uint32_t these = channels2 - first < 32 ? (1u << (channels2 - first)) - 1 : ~0u;
            uint32_t live = 0, lower = 0;
            int32_t starts[32];
            for (int o = 0; o < 32; o++) {
                const int below = at[o] >= place + stride, right = at[o] - below * stride > place;
                starts[o] = (2 * o + right) * s.kernel;
                live |= (uint32_t)(g[o] != 0) << o;
                lower |= (uint32_t)below << o;
            }
            const float *kernels = me->backward2 + 2 * first * s.kernel;
            spread(me->dpooled1 + place, stride, kernels, starts, s.span, g, live & these & ~lower);
            spread(me->dpooled1 + place + stride, stride, kernels, starts, s.span, g, live & these & lower);
        }
    }
    for (int i = 0; i < WINDOWS1 * channels1; i += LANES)
        STORE(me->dpooled1 + i, (vec)(~(LOAD(me->pooled1 + i) <= 0.0f) & (mask)LOAD(me->dpooled1 + i)));
}

/* --- The first convolution ---------------------------------------------------------------------------------------- */

static void backward_kernels1(Worker *me, const uint8_t *windows, int filled, float *gradient) {
    const Shape s = me->team->shape;
    const int channels = me->team->job.channels1;
    for (int o = 0; o < channels; o += GROUP) {
        float *kernel = gradient + s.w1 + o * PATCH;
        vec sum[GROUP][ROWS1];
#pragma GCC unroll 15
        for (int n = 0; n < GROUP * ROWS1; n++) sum[n / ROWS1][n % ROWS1] = LOAD(kernel + n / ROWS1 * PATCH + n % ROWS1 * LANES);
        for (int k = 0; k < filled; k++) {
            const float *g = me->dpooled1 + windows[k] * channels + o;
            const int32_t *at = me->at1 + windows[k] * s.a + o;
#pragma GCC unroll 15
            for (int n = 0; n < GROUP * ROWS1; n++)
                sum[n / ROWS1][n % ROWS1] += g[n / ROWS1] * LOAD(me->patches + at[n / ROWS1] + n % ROWS1 * LANES);
        }
#pragma GCC unroll 15
        for (int n = 0; n < GROUP * ROWS1; n++) STORE(kernel + n / ROWS1 * PATCH + n % ROWS1 * LANES, sum[n / ROWS1][n % ROWS1]);
    }
    const float level = me->team->job.levels[0];
    for (int v = 0; v < s.a; v += LANES) {
        vec all = sum_of_rows(me->dpooled1 + v, channels, WINDOWS1);
        STORE(gradient + s.b1 + v, LOAD(gradient + s.b1 + v) + all);
        if (level != 0) { /* where background is not zero, the windows that were left out count too */
            for (int k = 0; k < filled; k++) all -= LOAD(me->dpooled1 + windows[k] * channels + v);
            for (int n = 0; n < LANES; n++)
                for (int k = 0; k < 9; k++) gradient[s.w1 + (v + n) * PATCH + k / 3 * 4 + k % 3] += level * all[n];
        }
    }
}
