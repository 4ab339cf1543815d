/* Where everything lies in memory: from PyTorch's parameters to rows of floats, and back; room for a team and a worker. */

#include "network.h"

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
        for (int k = 0; k < 9; k++) move(small + s.w1 + o * PATCH + k / 3 * 4 + k % 3, theirs[0] + o * 9 + k, to);
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
                move(fc1 + (long)u * s.pace + k * channels2 + o, theirs[4] + ((long)u * channels2 + o) * WINDOWS2 + k, to);
        move(small + s.b3 + u, theirs[5] + u, to);
        for (int c = 0; c < CLASSES; c++) move(small + s.w4 + c * s.h + u, theirs[6] + c * hidden + u, to);
    }
    for (int c = 0; c < CLASSES; c++) move(small + s.b4 + c, theirs[7] + c, to);
}

static Shape shape_of(const Job *job) {
    Shape s = {.a = PADDED(job->channels1, LANES), .b = PADDED(job->channels2, LANES), .h = PADDED(job->hidden, LANES)};
    s.row = PADDED(3 * job->channels1, STRETCH);
    s.span = PADDED(4 * job->channels1, SPREAD);
    s.kernel = 3 * s.span;
    s.features = PADDED((WINDOWS2 - 1) * job->channels2 + s.b, BLOCK); /* the last window is written in whole vectors */
    s.pace = s.features + 16; /* rows a power of two apart would share a few lines of the cache */
    s.b1 = s.w1 + PADDED(s.a, GROUP) * PATCH;
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
    team->fc1 = cut(memory, &size, job->hidden * s.pace);
    team->fc1_momentum = cut(memory, &size, job->hidden * s.pace);
    team->gradients = cut(memory, &size, (size_t)team->chunks * s.total);
    team->features = cut(memory, &size, job->batch * s.pace);
    team->dhidden = cut(memory, &size, job->batch * s.h);
    return size;
}

static size_t lay_out_worker(Worker *worker, char *memory) {
    const Shape s = worker->team->shape;
    const Job *job = &worker->team->job;
    size_t size = 0;
    worker->forward1 = cut(memory, &size, 9 * s.a);
    worker->forward2 = cut(memory, &size, 9 * job->channels1 * s.b);
    worker->backward2 = cut(memory, &size, job->channels2 * 2 * s.kernel);
    worker->blank = cut(memory, &size, s.a);
    worker->patches = cut(memory, &size, WINDOWS1 * PATCH);
    worker->pooled1 = cut(memory, &size, WINDOWS1 * job->channels1);
    worker->dpooled1 = cut(memory, &size, WINDOWS1 * job->channels1);
    worker->dpooled2 = cut(memory, &size, s.features);
    worker->hidden = cut(memory, &size, s.h);
    worker->at1 = cut(memory, &size, WINDOWS1 * s.a);
    worker->at2 = cut(memory, &size, WINDOWS2 * job->channels2);
    worker->units = cut(memory, &size, job->hidden > job->batch ? job->hidden : job->batch);
    return size;
}

static void *zeros(size_t size) {
    void *memory = aligned_alloc(64, PADDED(size, 64));
    return memory ? memset(memory, 0, size) : NULL;
}
