/* Who is near whom among up to some 10,000 points, and a flat map that keeps it: UMAP's layout (McInnes et al., 2018).

   The same numbers go in, the same map comes out, on one thread: its moves are drawn from a generator of its own. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, TOGETHER = 4 }; /* floats of one register's worth of points; points that are compared in one go */

static const float A = 1.577f, B = 0.895f; /* the curve of likeness by distance, for UMAP's min_dist = 0.1 */
static const float STEEPEST = 4;           /* of a move, before the rate */
enum { PUSHES = 5 };                       /* points that are pushed away for each one that is pulled near */

/* --- Neighbours ------------------------------------------------------------------------------------------------- */

/* Puts `j` among the `k` nearest, which stay in their order; `have` of them are there. Gives how many there are then. */
static int enter(float *best, int32_t *at, int have, int k, float square, int32_t j) {
    int p = have < k ? have++ : k - 1;
    for (; p > 0 && best[p - 1] > square; p--) {
        best[p] = best[p - 1];
        at[p] = at[p - 1];
    }
    best[p] = square;
    at[p] = j;
    return have;
}

/* The `k` nearest of each of the `n` points x (n, d), itself left out: exact, the nearest first. index, distance (n, k).
   n > k. Returns 0, or 1 when there is not enough memory. */
int neighbours(const float *x, long n, long d, long k, int32_t *index, float *distance) {
    const long blocks = (n + LANES - 1) / LANES;
    float *turned = calloc(blocks * d * LANES, sizeof(float)); /* (blocks, d, LANES): a block's points side by side */
    float *squares = calloc(blocks * LANES, sizeof(float));    /* (n,) of the points' lengths */
    if (!turned || !squares) {
        free(turned);
        free(squares);
        return 1;
    }
    for (long i = 0; i < n; i++)
        for (long q = 0; q < d; q++) {
            turned[(i / LANES * d + q) * LANES + i % LANES] = x[i * d + q];
            squares[i] += x[i * d + q] * x[i * d + q];
        }
    for (long first = 0; first < n; first += TOGETHER) {
        const long count = n - first < TOGETHER ? n - first : TOGETHER;
        int have[TOGETHER] = {0};
        for (long b = 0; b < blocks; b++) {
            float products[TOGETHER][LANES] = {{0}};
            const float *others = turned + b * d * LANES;
            for (long q = 0; q < d; q++)
                for (int p = 0; p < TOGETHER; p++) {
                    const float own = x[(p < count ? first + p : first) * d + q];
                    for (int lane = 0; lane < LANES; lane++) products[p][lane] += own * others[q * LANES + lane];
                }
            for (int p = 0; p < count; p++) {
                const long i = first + p;
                float *best = distance + i * k;
                for (int lane = 0; lane < LANES; lane++) {
                    const long j = b * LANES + lane;
                    const float square = squares[j] - 2 * products[p][lane]; /* less the point's own, the same for all */
                    if (j >= n || j == i || (have[p] == k && square >= best[k - 1])) continue;
                    have[p] = enter(best, index + i * k, have[p], k, square, j);
                }
            }
        }
    }
    for (long i = 0; i < n; i++)
        for (long p = 0; p < k; p++) distance[i * k + p] = sqrtf(fmaxf(0, distance[i * k + p] + squares[i]));
    free(turned);
    free(squares);
    return 0;
}

/* How sure each point is of each of its neighbours, (n, k) in (0, 1]: 1 for the nearest, and together log2 k. */
void memberships(const float *distance, long n, long k, float *weights) {
    for (long i = 0; i < n; i++) {
        const float *own = distance + i * k;
        float low = 0, high = INFINITY, width = 1;
        for (int round = 0; round < 64; round++) {
            float sum = 0;
            for (long p = 0; p < k; p++) sum += own[p] > own[0] ? expf(-(own[p] - own[0]) / width) : 1;
            if (fabsf(sum - log2f(k)) < 1e-5f) break;
            if (sum > log2f(k)) high = width; else low = width;
            width = isinf(high) ? 2 * width : (low + high) / 2;
        }
        for (long p = 0; p < k; p++)
            weights[i * k + p] = own[p] > own[0] ? expf(-(own[p] - own[0]) / fmaxf(width, 1e-6f)) : 1;
    }
}

/* --- The map ---------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) { /* xorshift64 (Marsaglia, 2003) */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static float bounded(float move) { return fminf(STEEPEST, fmaxf(-STEEPEST, move)); }

static void pull(float *one, float *other, float rate) {
    const float dx = one[0] - other[0], dy = one[1] - other[1], square = dx * dx + dy * dy;
    if (square <= 0) return;
    const float power = powf(square, B - 1), slope = -2 * A * B * power / (A * power * square + 1);
    const float mx = rate * bounded(slope * dx), my = rate * bounded(slope * dy);
    one[0] += mx;
    one[1] += my;
    other[0] -= mx;
    other[1] -= my;
}

static void push(float *one, const float *other, float rate) {
    const float dx = one[0] - other[0], dy = one[1] - other[1], square = dx * dx + dy * dy;
    if (one == other) return;
    if (square <= 0) { /* two on one place: off it, in any direction */
        one[0] += rate * STEEPEST;
        one[1] += rate * STEEPEST;
        return;
    }
    const float slope = 2 * B / ((0.001f + square) * (A * powf(square, B) + 1));
    one[0] += rate * bounded(slope * dx);
    one[1] += rate * bounded(slope * dy);
}

/* Moves the n points y (n, 2) in place. `edges` (m, 2): who is pulled towards whom, how often by `weights` (m,) in (0, 1];
   each pull comes with PUSHES away from others. The rate falls from `rate` to 0 over the epochs.
   Returns 0, or 1 when there is not enough memory. */
int arrange(float *y, long n, const int32_t *edges, const float *weights, long m, long epochs, float rate, uint64_t seed) {
    float *due = malloc(m * sizeof(float)), most = 0;
    if (!due) return 1;
    for (long e = 0; e < m; e++) most = fmaxf(most, weights[e]);
    for (long e = 0; e < m; e++) due[e] = most / weights[e];
    for (long epoch = 1; epoch <= epochs; epoch++) {
        const float now = rate * (1 - (float)(epoch - 1) / epochs);
        for (long e = 0; e < m; e++) {
            if (due[e] > epoch) continue;
            due[e] += most / weights[e];
            float *one = y + 2 * edges[2 * e], *other = y + 2 * edges[2 * e + 1];
            pull(one, other, now);
            for (int p = 0; p < PUSHES; p++) push(one, y + 2 * (next_random(&seed) % n), now);
        }
    }
    free(due);
    return 0;
}
