/* Training steps of the tutorial's network in one call: forward, backward and update, many batches at a time.

   Threads: a step is a fixed number of chunks of images and then of parts of the update. Whoever is free takes the next
   one; sums run in the order of images and chunks. So the result does not depend on the number of threads, to the last
   bit, and a thread that the system has put aside holds no one up unless it is in the middle of something. */

#include <pthread.h>
#include <sched.h>

#include "backward.h"

/* --- A chunk of the batch; a part of the update ------------------------------------------------------------------- */

static void do_chunk(Worker *me, int step, int chunk) {
    Team *team = me->team;
    const Shape s = team->shape;
    const Job *job = &team->job;
    if (me->version != step) arrange_weights(me);
    me->version = step;
    const long begin = step * job->batch;
    const long images = job->images - begin < job->batch ? job->images - begin : job->batch;
    float *gradient = team->gradients + (long)chunk * s.total;
    memset(gradient, 0, s.total * sizeof(float));
    double loss = 0;
    for (long n = images * chunk / team->chunks; n < images * (chunk + 1) / team->chunks; n++) {
        const long image = job->order[begin + n];
        const uint8_t *kept = job->kept ? job->kept + (begin + n) * job->hidden : NULL;
        float *features = team->features + n * s.pace, *dhidden = team->dhidden + n * s.h;
        uint8_t windows[WINDOWS1];
        const int filled = forward_convolutions(me, job->pixels + image * SIDE * SIDE, features, windows);
        loss += linear_layers(me, features, job->labels[image], kept, images, gradient, dhidden);
        backward_linear(me, features, dhidden);
        backward_kernels2(me, gradient);
        backward_inputs2(me);
        backward_kernels1(me, windows, filled, gradient);
    }
    team->chunk_loss[chunk] = loss;
}

/* SGD as PyTorch writes it; `not_finite` has bits once a weight is not a number or infinite. */
INLINE void update(const Job *job, float rate, float *weights, float *momenta, vec gradient, mask *not_finite) {
    const vec weight = LOAD(weights);
    const float momentum = job->momentum;
    gradient += (float)job->decay * weight;
    if (momentum != 0) {
        const vec moving = momentum * LOAD(momenta) + gradient;
        STORE(momenta, moving);
        gradient = job->nesterov ? gradient + momentum * moving : moving;
    }
    const vec changed = weight - rate * gradient;
    STORE(weights, changed);
    *not_finite |= (mask)(changed - changed);
}

static void update_fc1(Team *team, Worker *me, int step, int part) {
    const Shape s = team->shape;
    const Job *job = &team->job;
    const int first = job->hidden * part / PARTS, units = job->hidden * (part + 1) / PARTS - first;
    const long left = job->images - step * job->batch, images = left < job->batch ? left : job->batch;
    mask not_finite = {0};
    for (int u = first; u < first + units; u++) {
        float *weights = team->fc1 + (long)u * s.pace, *momenta = team->fc1_momentum + (long)u * s.pace;
        int count = 0;
        for (int n = 0; n < images; n++) {
            me->units[count] = n;
            count += team->dhidden[n * s.h + u] != 0;
        }
        for (int i = 0; i < s.features; i += BLOCK) {
            vec gradient[8];
            combine(gradient, team->features + i, s.pace, team->dhidden + u, s.h, me->units, count);
#pragma GCC unroll 8
            for (int v = 0; v < 8; v++)
                update(job, job->rates[step], weights + i + v * LANES, momenta + i + v * LANES, gradient[v], &not_finite);
        }
    }
    team->finite[step % 2][part] = is_zero(not_finite);
}

static void update_small(Team *team, int step) {
    const Shape s = team->shape;
    const Job *job = &team->job;
    const long left = job->images - step * job->batch, images = left < job->batch ? left : job->batch;
    double loss = 0;
    for (int chunk = 0; chunk < team->chunks; chunk++) loss += team->chunk_loss[chunk];
    for (int part = 0; step > 0 && part <= PARTS; part++) /* as it would turn out, were nothing left out */
        if (!team->finite[(step - 1) % 2][part]) loss = NAN;
    job->losses[step] = loss / images;
    float *bias = team->gradients + s.b3; /* in the first chunk's row, where it has no other use */
    for (long n = 0; n < images; n++)
        for (int u = 0; u < s.h; u += LANES) STORE(bias + u, LOAD(bias + u) + LOAD(team->dhidden + n * s.h + u));
    mask not_finite = {0};
    for (int i = 0; i < s.total; i += LANES) {
        vec gradient = LOAD(team->gradients + i);
        for (int chunk = 1; chunk < team->chunks; chunk++)
            gradient += LOAD(team->gradients + (long)chunk * s.total + i);
        const vec real = LOAD(team->real + i);
        update(job, job->rates[step], team->small + i, team->small_momentum + i, (vec)((mask)gradient & (real != 0.0f)),
               &not_finite);
    }
    team->finite[step % 2][PARTS] = is_zero(not_finite);
}

/* --- Threads ------------------------------------------------------------------------------------------------------- */

/* The next piece of work whose turn has come: all that it builds on is done. -1 when nothing is left. */
static long take(Team *team) {
    const long items = team->chunks + PARTS + 1;
    for (long tries = 0;; tries++) {
        long next = atomic_load_explicit(&team->next, memory_order_relaxed);
        if (next >= items * team->steps) return -1;
        const long needed = next - next % items + (next % items < team->chunks ? 0 : team->chunks);
        if (atomic_load_explicit(&team->done, memory_order_acquire) >= needed) {
            if (atomic_compare_exchange_weak(&team->next, &next, next + 1)) return next;
        } else if (tries > 2000)
            sched_yield(); /* somebody else's program may have the core that we wait for */
#if defined(__x86_64__)
        else
            __builtin_ia32_pause();
#endif
    }
}

static void *work(void *worker) {
    Worker *me = worker;
    Team *team = me->team;
    const long items = team->chunks + PARTS + 1;
    for (long next; (next = take(team)) >= 0;) {
        const int step = next / items, item = next % items;
        if (item < team->chunks)
            do_chunk(me, step, item);
        else if (item < team->chunks + PARTS)
            update_fc1(team, me, step, item - team->chunks);
        else
            update_small(team, step);
        atomic_fetch_add_explicit(&team->done, 1, memory_order_release);
    }
    return NULL;
}

/* --- The call ------------------------------------------------------------------------------------------------------ */

/* Take all steps of `job`. Returns 0, or 1 when there is not enough memory: then nothing has changed. */
int train_steps(const Job *job) {
    Team team = {.job = *job, .shape = shape_of(job)};
    team.steps = (job->images + job->batch - 1) / job->batch;
    team.chunks = job->batch < 40 ? 4 : job->batch < 160 ? 8 : MOST_CHUNKS;
    const int threads = job->threads < 1 ? 1 : job->threads > MOST_CHUNKS ? MOST_CHUNKS : job->threads;
    Worker workers[MOST_CHUNKS] = {0};
    pthread_t others[MOST_CHUNKS];
    int started = 0, failed = 1;
    char *memory = zeros(lay_out_team(&team, NULL));
    if (!memory) return 1;
    lay_out_team(&team, memory);
    for (int t = 0; t < threads; t++) {
        workers[t] = (Worker){.team = &team, .version = -1};
        if (!(workers[t].memory = zeros(lay_out_worker(&workers[t], NULL)))) goto end;
        lay_out_worker(&workers[t], workers[t].memory);
    }
    exchange(&team, team.real, team.fc1, job->parameters, MARK);
    exchange(&team, team.small, team.fc1, job->parameters, IN);
    exchange(&team, team.small_momentum, team.fc1_momentum, job->momenta, IN);
    for (; started < threads - 1; started++)
        if (pthread_create(&others[started], NULL, work, &workers[started + 1])) break; /* fewer will do */
    work(&workers[0]);
    for (int t = 0; t < started; t++) pthread_join(others[t], NULL);
    exchange(&team, team.small, team.fc1, job->parameters, OUT);
    exchange(&team, team.small_momentum, team.fc1_momentum, job->momenta, OUT);
    failed = 0;
end:
    for (int t = 0; t < threads; t++) free(workers[t].memory);
    free(memory);
    return failed;
}

/* --- Dropout ------------------------------------------------------------------------------------------------------- */

/* The state of PyTorch's generator on the CPU, as torch.get_rng_state() gives it: Mersenne Twister 19937 (Matsumoto and
   Nishimura 1998), whose 32-bit words are kept in 64 bits each. */
typedef struct {
    uint64_t seed;
    int32_t left, seeded;
    uint64_t next, words[624];
} Generator;

INLINE uint64_t next_word(uint64_t word, uint64_t after, uint64_t far) {
    const uint64_t mixed = (word & 0x80000000) | (after & 0x7fffffff);
    return far ^ mixed >> 1 ^ (-(mixed & 1) & 0x9908b0df);
}

/* All 624 anew. In two loops, so that compilers see how far each reads from what it writes, and take several at once. */
static void refresh(Generator *g) {
    uint64_t *w = g->words;
    for (int k = 0; k < 227; k++) w[k] = next_word(w[k], w[k + 1], w[k + 397]);
    for (int k = 227; k < 623; k++) w[k] = next_word(w[k], w[k + 1], w[k - 227]);
    w[623] = next_word(w[623], w[0], w[396]);
    g->left = 624;
    g->next = 0;
}

INLINE uint64_t tempered(uint64_t word) {
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680;
    word ^= word << 15 & 0xefc60000;
    return word ^ word >> 18;
}

static uint64_t draw(Generator *g) {
    if (--g->left == 0) refresh(g);
    return tempered(g->words[g->next++]);
}

/* Whether a number of 53 random bits in [0, 1) is below what `limit` is 2^53 times of. */
INLINE int is_below(uint64_t high, uint64_t low, uint64_t limit) { return ((high << 32 | low) & ((1ull << 53) - 1)) < limit; }

/* What `torch.empty(count).bernoulli_(keep)` draws, 1 or 0: the words that are left go in one loop, which takes several at once. */
void draw_kept(Generator *g, int64_t count, double keep, uint8_t *kept) {
    const uint64_t limit = ceil(keep * 0x1p53);
    for (int64_t n = 0; n < count;) {
        const uint64_t high = draw(g), low = draw(g);
        kept[n++] = is_below(high, low, limit);
        const int64_t left = (g->left - 1) / 2, pairs = left < count - n ? left : count - n;
        const uint64_t *words = g->words + g->next;
        for (int64_t k = 0; k < pairs; k++)
            kept[n + k] = is_below(tempered(words[2 * k]), tempered(words[2 * k + 1]), limit);
        n += pairs;
        g->next += 2 * pairs;
        g->left -= 2 * pairs;
    }
}
