import { demand, onlyTeam } from '../callers.ts';
import { badRequest, conflict } from '../errors.ts';
import { json, type Answer, type Call, type Route } from '../http.ts';
import { text } from '../input.ts';
import { findPool } from '../pools.ts';
import type { World } from '../world.ts';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** Jobs are there to be bound; none ever runs. */
export function jobRoutes(world: World): Route[] {
  return [{ method: 'POST', path: '/jobs', answer: (call) => createJob(world, call) }];
}

function createJob({ state, events }: World, { caller, body: { tree } }: Call): Promise<Answer> {
  const name = text(tree, 'name');
  const teamOwner = text(tree, 'teamOwner') || onlyTeam(state.teams);
  demand(caller, 'job.create', [{ type: 'team', value: teamOwner }]);
  return events.run({ kind: 'job.create', target: { type: 'job', value: name }, owner: caller.owner }, () => {
    if (!NAME.test(name)) throw badRequest('Invalid job name');
    if (state.jobs.has(name)) throw conflict('a job with the same name already exists');
    const pool = findPool(state, text(tree, 'pool'));
    state.jobs.set(name, { name, teamOwner, pool: pool.name });
    return Promise.resolve(json({ status: 'success', jobName: name }, 201));
  });
}
