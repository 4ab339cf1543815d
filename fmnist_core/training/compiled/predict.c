/* What a network makes of many images: the forward pass that training takes, and nothing else.

   Whoever is free takes the next few images, so a core that another program holds costs no more than those. Each image is
   computed by itself: the result does not depend on the number of threads, to the last bit. */

#include <pthread.h>

#include "forward.h"

enum { TAKEN = 25 }; /* images that a thread takes at once: a quarter of a millisecond */

typedef struct {
    Team *team;
    Worker worker;
    float *logits, *hidden;
} Look;

static void *look(void *argument) {
    Look *mine = argument;
    Worker *me = &mine->worker;
    Team *team = me->team;
    const Job *job = &team->job;
    arrange_weights(me);
    for (int u = 0; u < job->hidden; u++) me->units[u] = u;
    for (long first; (first = atomic_fetch_add(&team->next, TAKEN)) < job->images;)
        for (long n = first; n < first + TAKEN && n < job->images; n++) {
            uint8_t windows[WINDOWS1];
            forward_convolutions(me, job->pixels + n * SIDE * SIDE, me->dpooled2, windows);
            hidden_layer(me, me->dpooled2, job->hidden, 0);
            last_layer(me, mine->logits + n * CLASSES);
            if (mine->hidden) memcpy(mine->hidden + n * job->hidden, me->hidden, job->hidden * sizeof(float));
        }
    return NULL;
}

/* The logits (images, 10) and, unless it is NULL, the hidden layer after its ReLU (images, hidden). Of `job` it reads the
   widths, images, threads, pixels, levels and parameters. Returns 0, or 1 when there is not enough memory. */
int predict(const Job *job, float *logits, float *hidden) {
    Team team = {.job = *job, .shape = shape_of(job), .chunks = 1};
    team.job.batch = 1;
    const int threads = job->threads < 1 ? 1 : job->threads > MOST_CHUNKS ? MOST_CHUNKS : job->threads;
    Look looks[MOST_CHUNKS] = {0};
    pthread_t others[MOST_CHUNKS];
    int started = 0, failed = 1;
    char *memory = zeros(lay_out_team(&team, NULL));
    if (!memory) return 1;
    lay_out_team(&team, memory);
    exchange(&team, team.small, team.fc1, job->parameters, IN);
    for (int t = 0; t < threads; t++) {
        looks[t] = (Look){.worker = {.team = &team}, .logits = logits, .hidden = hidden};
        Worker *worker = &looks[t].worker;
        if (!(worker->memory = zeros(lay_out_worker(worker, NULL)))) goto end;
        lay_out_worker(worker, worker->memory);
    }
    for (; started < threads - 1; started++)
        if (pthread_create(&others[started], NULL, look, &looks[started + 1])) break; /* fewer will do */
    look(&looks[0]);
    for (int t = 0; t < started; t++) pthread_join(others[t], NULL);
    failed = 0;
end:
    for (int t = 0; t < threads; t++) free(looks[t].worker.memory);
    free(memory);
    return failed;
}
