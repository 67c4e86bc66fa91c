import { badRequest, notFound, TsuruError } from '../errors.ts';
import { OK, type Answer, type Call, type Route } from '../http.ts';
import { text } from '../input.ts';
import type { App } from '../state.ts';
import { appTarget, changeApp, assertOnApp, findApp, restart, routerUpdated, type Say, type World } from '../world.ts';

/** A process of an app, or all of them. */
type Life = (app: App, say: Say, process: string | undefined) => Promise<void>;

export function unitRoutes(world: World): Route[] {
  const { provisioner } = world;
  const life = (name: string, work: Life): Route => ({
    method: 'POST',
    path: `/apps/:app/${name}`,
    answer: (call) => {
      const app = findApp(world, call);
      const kind = `app.update.${name}`;
      assertOnApp(call, kind, app);
      const process = text(call.body.tree, 'process') || undefined;
      return changeApp(world, call, kind, app, (say) => work(app, say, process));
    },
  });
  return [
    { method: 'PUT', path: '/apps/:app/units', answer: (call) => scale(world, call, 1) },
    { method: 'DELETE', path: '/apps/:app/units', answer: (call) => scale(world, call, -1) },
    { method: 'DELETE', path: '/apps/:app/units/:unit', answer: (call) => killUnit(world, call) },
    life('stop', (app, say, process) => {
      say(`\n ---> Stopping the ${named(app, process)}\n`);
      provisioner.stop(app, process);
      return Promise.resolve();
    }),
    life('start', async (app, say, process) => {
      say(`\n ---> Starting the ${named(app, process)}\n`);
      await provisioner.start(app, process);
      routerUpdated(say);
    }),
    life('restart', (app, say, process) => restart(world, app, say, process)),
  ];
}

function named(app: App, process: string | undefined): string {
  return process === undefined ? `app "${app.name}"` : `process "${process}"`;
}

function scale(world: World, call: Call, direction: 1 | -1): Answer {
  // On a DELETE the real client sends its inputs in the query.
  const asked = (name: string): string => call.query.get(name) ?? text(call.body.tree, name);
  const change = numberOfUnits(asked('units'));
  const app = findApp(world, call);
  const kind = `app.update.unit.${direction === 1 ? 'add' : 'remove'}`;
  assertOnApp(call, kind, app);
  return changeApp(world, call, kind, app, async (say) => {
    const process = processOf(app, asked('process'));
    const count = (app.unitCounts.get(process) ?? 0) + direction * change;
    if (count < 0) throw new TsuruError('cannot remove more units than existing');
    await world.provisioner.scale(app, process, count);
    app.unitCounts.set(process, count);
    routerUpdated(say);
  });
}

function numberOfUnits(asked: string): number {
  if (asked === '') throw badRequest('You must provide the number of units.');
  if (!/^\d+$/.test(asked) || Number(asked) === 0) {
    throw badRequest('Invalid number of units: the number must be an integer greater than 0.');
  }
  return Number(asked);
}

function processOf(app: App, asked: string): string {
  const processes = Object.keys(app.versions[0]?.image.processes ?? {});
  const [first] = processes;
  if (first === undefined) throw new TsuruError('New units can only be added after the first deployment');
  if (processes.includes(asked)) return asked;
  if (asked === '' && processes.length === 1) return first;
  const reason =
    asked === ''
      ? 'no process name specified and more than one declared in Procfile'
      : `no command declared in Procfile for process "${asked}"`;
  throw new TsuruError(`process error: ${reason}`);
}

/** As Kubernetes does with a deleted pod: another one takes its place. */
async function killUnit(world: World, call: Call): Promise<Answer> {
  const app = findApp(world, call);
  const kind = 'app.update.unit.kill';
  assertOnApp(call, kind, app);
  const name = call.params['unit'] ?? '';
  const living = [...app.units].find(({ unit }) => unit.name === name);
  if (living === undefined) throw notFound(`unit "${name}" not found`);
  const change = { kind, target: appTarget(app.name), owner: call.caller.owner, waitMs: world.locks.appWaitMs };
  await world.events.run(change, () => {
    world.provisioner.replace(app, living);
    return Promise.resolve();
  });
  return OK;
}
