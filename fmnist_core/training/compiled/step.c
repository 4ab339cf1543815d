/* Training steps of the tutorial's network in one call: forward, backward and update, many batches at a time.

   Threads: a step is a fixed number of chunks of images and then of parts of the update. Whoever is free takes the next
   one; sums run in the order of images and chunks. So the result does not depend on the number of threads, to the last
   bit, and a thread that the system has put aside holds no one up unless it is in the middle of something. */

#include <pthread.h>
#include <sched.h>

#include "network.h"

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
        float *features = team->features + n * s.features, *dhidden = team->dhidden + n * s.h;
        uint8_t windows[WINDOWS1];
        const int filled = forward_convolutions(me, job->pixels + image * SIDE * SIDE, features, windows);
        loss += linear_layers(me, features, job->labels[image], kept, images, gradient, dhidden);
        backward_linear(me, features, dhidden);
        backward_conv2(me, gradient);
        backward_conv1(me, windows, filled, gradient);
    }
    team->chunk_loss[chunk] = loss;
}

/* SGD as PyTorch writes it; `not_finite` becomes nan once a weight is not a number or infinite. */
INLINE void update(const Job *job, float rate, float *weights, float *momenta, vec gradient, vec *not_finite) {
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
    *not_finite += changed - changed;
}

static void update_fc1(Team *team, Worker *me, int step, int part) {
    const Shape s = team->shape;
    const Job *job = &team->job;
    const int first = job->hidden * part / PARTS, units = job->hidden * (part + 1) / PARTS - first;
    const long left = job->images - step * job->batch, images = left < job->batch ? left : job->batch;
    vec not_finite = {0};
    int32_t *lists = me->units, counts[units + 1];
    for (int u = 0; u < units; u++) {
        counts[u] = 0;
        for (int n = 0; n < images; n++) {
            lists[u * job->batch + counts[u]] = n;
            counts[u] += team->dhidden[n * s.h + first + u] != 0;
        }
    }
    for (int i = 0; i < s.features; i += BLOCK)
        for (int u = 0; u < units; u++) {
            float gradient[BLOCK];
            const int from = i + BLOCK <= s.features ? i : s.features - BLOCK;
            combine(gradient, team->features + from, s.features, team->dhidden + first + u, s.h,
                    lists + u * job->batch, counts[u]);
            for (int v = i - from; v < BLOCK; v += LANES) {
                const long place = (long)(first + u) * s.features + from + v;
                update(job, job->rates[step], team->fc1 + place, team->fc1_momentum + place, LOAD(gradient + v),
                       &not_finite);
            }
        }
    team->finite[step % 2][part] = sum_of(not_finite) == 0;
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
    vec not_finite = {0};
    for (int i = 0; i < s.total; i += LANES) {
        vec gradient = LOAD(team->gradients + i);
        for (int chunk = 1; chunk < team->chunks; chunk++)
            gradient += LOAD(team->gradients + (long)chunk * s.total + i);
        const vec real = LOAD(team->real + i);
        update(job, job->rates[step], team->small + i, team->small_momentum + i, (vec)((mask)gradient & (real != 0.0f)),
               &not_finite);
    }
    team->finite[step % 2][PARTS] = sum_of(not_finite) == 0;
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

/* --- From PyTorch's parameters to rows of floats, and back --------------------------------------------------------- */

typedef enum { IN, OUT, MARK } Direction;

INLINE void move(float *ours, float *theirs, Direction direction) {
    switch (direction) {
    case IN: *ours = *theirs; break;
    case OUT: *theirs = *ours; break;
    case MARK: *ours = 1; /* here is a parameter */
    }
}

static void exchange(const Team *team, float *small, float *fc1, float *const theirs[8], Direction to) {
    const Shape s = team->shape;
    const int channels1 = team->job.channels1, channels2 = team->job.channels2, hidden = team->job.hidden;
    for (int o = 0; o < channels1; o++) {
        for (int k = 0; k < 9; k++) move(small + s.w1 + o * 12 + k / 3 * 4 + k % 3, theirs[0] + o * 9 + k, to);
        move(small + s.b1 + o, theirs[1] + o, to);
    }
    for (int o = 0; o < channels2; o++) {
        for (int y = 0; y < 3; y++)
            for (int k = 0; k < 3 * channels1; k++)
                move(small + s.w2 + (o * 3 + y) * s.row + k, theirs[2] + (o * 3 + y) * 3 * channels1 + k, to);
        move(small + s.b2 + o, theirs[3] + o, to);
    }
    for (int u = 0; u < hidden; u++) {
        for (int o = 0; o < channels2; o++)
            for (int k = 0; k < WINDOWS2; k++)
                move(fc1 + (long)u * s.features + k * s.b + o, theirs[4] + ((long)u * channels2 + o) * WINDOWS2 + k, to);
        move(small + s.b3 + u, theirs[5] + u, to);
        for (int c = 0; c < CLASSES; c++) move(small + s.w4 + c * s.h + u, theirs[6] + c * hidden + u, to);
    }
    for (int c = 0; c < CLASSES; c++) move(small + s.b4 + c, theirs[7] + c, to);
}

static Shape shape_of(const Job *job) {
    Shape s = {.a = PADDED(job->channels1, LANES), .b = PADDED(job->channels2, LANES), .h = PADDED(job->hidden, LANES)};
    s.row = PADDED(3 * job->channels1, 4 * LANES);
    s.span = PADDED(4 * job->channels1, 5 * LANES);
    s.kernel = 5 * (job->channels1 + s.span);
    s.features = WINDOWS2 * s.b;
    s.b1 = s.w1 + s.a * 12;
    s.w2 = s.b1 + s.a;
    s.b2 = s.w2 + job->channels2 * 3 * s.row;
    s.b3 = s.b2 + s.b;
    s.w4 = s.b3 + s.h;
    s.b4 = s.w4 + CLASSES * s.h;
    s.total = s.b4 + PADDED(CLASSES, LANES);
    return s;
}

/* The next `count` floats or integers of `memory`; without memory it only counts, in bytes. */
static void *cut(char *memory, size_t *size, size_t count) {
    void *piece = memory ? memory + *size : NULL;
    *size += PADDED(4 * (count + SLACK), 64);
    return piece;
}

static size_t lay_out_team(Team *team, char *memory) {
    const Shape s = team->shape;
    const Job *job = &team->job;
    size_t size = 0;
    team->small = cut(memory, &size, s.total);
    team->small_momentum = cut(memory, &size, s.total);
    team->real = cut(memory, &size, s.total);
    team->fc1 = cut(memory, &size, job->hidden * s.features);
    team->fc1_momentum = cut(memory, &size, job->hidden * s.features);
    team->gradients = cut(memory, &size, (size_t)team->chunks * s.total);
    team->features = cut(memory, &size, job->batch * s.features);
    team->dhidden = cut(memory, &size, job->batch * s.h);
    return size;
}

static size_t lay_out_worker(Worker *worker, char *memory) {
    const Shape s = worker->team->shape;
    const Job *job = &worker->team->job;
    size_t size = 0;
    worker->forward1 = cut(memory, &size, 9 * s.a);
    worker->forward2 = cut(memory, &size, 9 * job->channels1 * s.b);
    worker->backward2 = cut(memory, &size, job->channels2 * s.kernel);
    worker->blank = cut(memory, &size, s.a);
    worker->image = cut(memory, &size, SIDE * SIDE);
    worker->pooled1 = cut(memory, &size, WINDOWS1 * job->channels1);
    worker->dpooled1 = cut(memory, &size, WINDOWS1 * job->channels1);
    worker->dpooled2 = cut(memory, &size, s.features);
    worker->hidden = cut(memory, &size, s.h);
    worker->at1 = cut(memory, &size, WINDOWS1 * s.a);
    worker->at2 = cut(memory, &size, WINDOWS2 * s.b);
    worker->units = cut(memory, &size, job->hidden + (job->hidden / PARTS + 1) * job->batch);
    return size;
}

static void *zeros(size_t size) {
    void *memory = aligned_alloc(64, PADDED(size, 64));
    return memory ? memset(memory, 0, size) : NULL;
}

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

static uint32_t draw(Generator *g) {
    if (--g->left == 0) {
        for (int k = 0; k < 624; k++) {
            const uint32_t mixed = (g->words[k] & 0x80000000) | (g->words[(k + 1) % 624] & 0x7fffffff);
            g->words[k] = g->words[(k + 397) % 624] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908b0df : 0);
        }
        g->left = 624;
        g->next = 0;
    }
    uint32_t word = g->words[g->next++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680;
    word ^= word << 15 & 0xefc60000;
    return word ^ word >> 18;
}

/* What `torch.empty(count).bernoulli_(keep)` draws: 1 where a number of 53 random bits in [0, 1) is below `keep`. */
void draw_kept(Generator *g, int64_t count, double keep, uint8_t *kept) {
    for (int64_t n = 0; n < count; n++) {
        const uint64_t high = draw(g), bits = (high << 32 | draw(g)) & ((1ull << 53) - 1);
        kept[n] = bits * 0x1p-53 < keep;
    }
}
