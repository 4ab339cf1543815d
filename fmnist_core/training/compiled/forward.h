/* One image through the network, forward. */

#include "layout.h"

/* --- One 3x3 convolution, ReLU and 2x2 pooling: the four outputs of one window, the largest, and where it was ------- */

/* `count` vectors of output channels and, with `tail`, half of one more: that half is worked on for two pixels at once.
   `in` is where the window's first pixel begins; its neighbours are `channels` and `stride` floats away. A nan is never
   smaller than anything, so that it comes through. */
INLINE void pool_window(const float *in, int stride, int channels, const float *weights, int width, const float *bias,
                        float *out, int32_t *at, int place, const int count, const int tail) {
    vec sum[4][3], both[2];
#pragma GCC unroll 4
    for (int pixel = 0; pixel < 4; pixel++)
#pragma GCC unroll 3
        for (int v = 0; v < count; v++) sum[pixel][v] = LOAD(bias + v * LANES);
    if (tail) both[0] = both[1] = halves(LOAD(bias + count * LANES), swapped(LOAD(bias + count * LANES)));
    for (int y = 0; y < 3; y++) {
        const float *row = in + y * stride;
        for (int k = 0; k < 3 * channels; k++, weights += width) {
            if (!__builtin_constant_p(channels)) /* all nine loads at once, as compilers would have it, need more registers */
                __asm__("" ::: "memory");        /* but where one channel's loops unroll */
            vec weight[3];
#pragma GCC unroll 3
            for (int v = 0; v < count + tail; v++) weight[v] = LOAD(weights + v * LANES);
#pragma GCC unroll 2
            for (int pair = 0; pair < 2; pair++) { /* 12 sums at most, 3 weights, 1 input: all 16 registers */
                const vec left = all(row[k + pair * stride]), right = all(row[k + pair * stride + channels]);
#pragma GCC unroll 3
                for (int v = 0; v < count; v++) sum[2 * pair][v] += left * weight[v];
#pragma GCC unroll 3
                for (int v = 0; v < count; v++) sum[2 * pair + 1][v] += right * weight[v];
                if (tail) both[pair] += halves(left, right) * weight[count];
            }
        }
    }
    if (tail)
#pragma GCC unroll 2
        for (int pair = 0; pair < 2; pair++) {
            sum[2 * pair][count] = both[pair];
            sum[2 * pair + 1][count] = swapped(both[pair]);
        }
#pragma GCC unroll 3
    for (int v = 0; v < count + tail; v++) { /* the first of equals wins, as in PyTorch */
        mask upper = ~(sum[1][v] <= sum[0][v]), lower = ~(sum[3][v] <= sum[2][v]);
        vec top = choose(upper, sum[1][v], sum[0][v]), bottom = choose(lower, sum[3][v], sum[2][v]);
        mask below = ~(bottom <= top), right = (below & lower) | (~below & upper);
        vec largest = choose(below, bottom, top);
        largest = (vec)(~(largest <= 0.0f) & (mask)largest);
        STORE(out + v * LANES, v < count ? largest : halves(largest, (vec){0}));
        *(looseint *)(at + v * LANES) = place + (right & channels) + (below & stride);
    }
}

/* One window of the first convolution, whose 4x4 pixels are `patch`. */
INLINE void forward_window1(Worker *me, const float *patch, float *out, int32_t *at, int place) {
    const int width = me->team->shape.a;
    const float *bias = me->team->small + me->team->shape.b1;
    for (int v = 0; v < width; v += LANES)
        pool_window(patch, 4, 1, me->forward1 + v, width, bias + v, out + v, at + v, place, 1, 0);
}

/* One window of the second convolution, whose first pixel begins at `place` of pooled1. A function of its own, which must
   stay one: as part of a longer one its loop, a third of all time, loses registers. */
static __attribute__((noinline)) void forward_window2(Worker *me, int place, float *out, int32_t *at) {
    const int channels = me->team->job.channels1, stride = POOLED1 * channels, width = me->team->shape.b;
    const int tail = has_tail(me->team->job.channels2), full = tail ? width - LANES : width;
    const float *in = me->pooled1 + place, *weights = me->forward2, *bias = me->team->small + me->team->shape.b2;
    int v = 0;
    for (; full - v > 4 * LANES || (full - v == 3 * LANES && !tail); v += 3 * LANES)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 3, 0);
    for (; full - v > 2 * LANES || (full - v == 2 * LANES && !tail); v += 2 * LANES)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 2, 0);
    if (tail && full - v == 2 * LANES)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 2, 1);
    else if (tail && full > v)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 1, 1);
    else if (tail)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 0, 1);
    else if (full > v)
        pool_window(in, stride, channels, weights + v, width, bias + v, out + v, at + v, place, 1, 0);
}

/* --- Weights in the order in which they are read ------------------------------------------------------------------ */

/* Of each input the output channels side by side, the second convolution's last half vector of them twice. And its kernels
   with zeros on the right, and on the left: a row of one is what four neighbouring pixels get of a gradient, whichever of a
   pooling window's two columns it belongs to. */
static void arrange_weights(Worker *me) {
    const Shape s = me->team->shape;
    const Job *job = &me->team->job;
    const float *w1 = me->team->small + s.w1, *w2 = me->team->small + s.w2;
    const int channels = job->channels1, outputs = job->channels2;
    for (int k = 0; k < 9; k++)
        for (int o = 0; o < channels; o++) me->forward1[k * s.a + o] = w1[o * PATCH + k / 3 * 4 + k % 3];
    for (int k = 0; k < 9 * channels; k++) {
        float *to = me->forward2 + k * s.b;
        for (int o = 0; o < outputs; o++) to[o] = w2[(o * 3 + k / (3 * channels)) * s.row + k % (3 * channels)];
        if (has_tail(outputs))
            for (int o = outputs / LANES * LANES; o < outputs; o++) to[o + LANES / 2] = to[o];
    }
    for (int o = 0; o < job->channels2; o++)
        for (int y = 0; y < 3; y++) {
            float *kernel = me->backward2 + 2 * o * s.kernel + y * s.span;
            memcpy(kernel, w2 + (o * 3 + y) * s.row, 3 * channels * sizeof(float));
            memcpy(kernel + s.kernel + channels, w2 + (o * 3 + y) * s.row, 3 * channels * sizeof(float));
        }
    for (int k = 0; k < PATCH; k++) me->patches[k] = job->levels[0];
    forward_window1(me, me->patches, me->blank, me->at1, 0);
}

/* --- One image ---------------------------------------------------------------------------------------------------- */

/* Both convolutions; `windows` (WINDOWS1,) gets the first's windows with something in them, and how many is returned. */
static int forward_convolutions(Worker *me, const uint8_t *pixels, float *features, uint8_t *windows) {
    const Shape s = me->team->shape;
    const Job *job = &me->team->job;
    const int channels = job->channels1;
    float image[26 * SIDE];
    for (int y = 0; y < 26; y++)
        for (int x = 0; x < 26; x++) image[y * SIDE + x] = job->levels[pixels[y * SIDE + x]];
    int filled = 0;
    for (int i = 0; i < POOLED1; i++) {
        uint8_t any[SIDE];
        for (int x = 0; x < SIDE; x++)
            any[x] = pixels[2 * i * SIDE + x] | pixels[(2 * i + 1) * SIDE + x] | pixels[(2 * i + 2) * SIDE + x] |
                     pixels[(2 * i + 3) * SIDE + x];
        for (int j = 0; j < POOLED1; j++) {
            const int window = i * POOLED1 + j;
            float *patch = me->patches + window * PATCH, *out = me->pooled1 + window * channels;
            uint32_t four;
            memcpy(&four, any + 2 * j, 4);
            if (four) {
                windows[filled++] = window;
                for (int y = 0; y < 4; y++) memcpy(patch + 4 * y, image + (2 * i + y) * SIDE + 2 * j, 4 * sizeof(float));
                forward_window1(me, patch, out, me->at1 + window * s.a, window * PATCH);
            } else
                for (int v = 0; v < s.a; v += LANES) STORE(out + v, LOAD(me->blank + v));
        }
    }
    for (int window = 0; window < WINDOWS2; window++)
        forward_window2(me, (window / POOLED2 * POOLED1 + window % POOLED2) * 2 * channels,
                        features + window * job->channels2, me->at2 + window * job->channels2);
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
            rows[k] = me->team->fc1 + (long)me->units[first + k < count ? first + k : count - 1] * s.pace;
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
