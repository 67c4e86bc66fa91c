import { boundInstances, unbind } from '../binds.ts';
import { appContexts, demand, mayOnApp, onlyTeam } from '../callers.ts';
import { badRequest, conflict, notFound, TsuruError } from '../errors.ts';
import { goQuote, goValues } from '../go.ts';
import { json, list, messageOf, type Answer, type Call, type Route } from '../http.ts';
import { child, field, text, texts } from '../input.ts';
import { changedMetadata, NO_METADATA } from '../metadata.ts';
import type { Plan } from '../plans.ts';
import { assertPlan, assertRouter, assertTeam, findPool, ROUTER, usualPool } from '../pools.ts';
import type { App, State } from '../state.ts';
import { appHosts, appJson, listedAppJson } from '../view.ts';
import { dropVolumeBinds } from '../volumes.ts';
import { appTarget, causedBy, changeApp, assertOnApp, findApp, type World } from '../world.ts';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const BAD_NAME =
  'Invalid app name, your app should have at most 40 characters, containing only lower case letters, numbers or dashes, starting with a letter.';

export function appRoutes(world: World): Route[] {
  const { state } = world;
  return [
    {
      method: 'GET',
      path: '/apps',
      answer: ({ caller, query, views }) => {
        const apps = [...state.apps.values()]
          .filter((app) => mayOnApp(caller, 'app.read.info', app) && isAskedFor(app, query))
          .filter(({ name }) => !views.isMissing(name))
          .sort((a, b) => (a.name < b.name ? -1 : 1));
        const extended = query.get('extended') === 'true';
        // No cluster is asked then.
        const isSimplified = query.get('simplified') === 'true';
        return list(
          apps.map((app) =>
            isSimplified
              ? { ...listedAppJson(state, app, extended, undefined), units: [] }
              : listedAppJson(state, app, extended, views.unitsError(app.name)),
          ),
        );
      },
    },
    {
      method: 'POST',
      path: '/apps',
      answer: (call) => createApp(world, call),
    },
    {
      method: 'GET',
      path: '/apps/:app',
      answer: (call) => {
        const app = findApp(world, call);
        demand(call.caller, 'app.read.info', appContexts(app));
        return json(appJson(state, app, call.views.unitsError(app.name)));
      },
    },
    { method: 'DELETE', path: '/apps/:app', answer: (call) => deleteApp(world, call) },
  ];
}

function isAskedFor(app: App, query: URLSearchParams): boolean {
  const wanted = (name: string, value: string): boolean => ['', value].includes(query.get(name) ?? '');
  return (
    new RegExp(query.get('name') ?? '').test(app.name) &&
    wanted('teamOwner', app.teamOwner) &&
    wanted('pool', app.pool) &&
    wanted('owner', app.owner) &&
    query.getAll('tag').every((tag) => app.tags.includes(tag))
  );
}

function createApp({ state, events }: World, call: Call): Promise<Answer> {
  checkInput(call);
  const { tree } = call.body;
  const teamOwner = text(tree, 'teamOwner') || onlyTeam(state.teams);
  demand(call.caller, 'app.create', [{ type: 'team', value: teamOwner }]);
  const change = { kind: 'app.create', target: appTarget(text(tree, 'name')), owner: call.caller.owner };
  return events.run(change, () => {
    const app = newApp(state, call, teamOwner);
    state.apps.set(app.name, app);
    return Promise.resolve(json({ ip: appHosts(app, state.units)[0] ?? '', status: 'success' }, 201));
  });
}

function newApp(state: State, { body: { tree }, caller }: Call, teamOwner: string): App {
  const name = text(tree, 'name');
  if (!state.teams.includes(teamOwner)) throw badRequest('team not found');
  if (state.apps.has(name)) {
    throw conflict(`tsuru failed to create the app ${goQuote(name)}: there is already an app with this name`);
  }
  const pool = findPool(state, text(tree, 'pool') || usualPool(state, teamOwner));
  const plan = findPlan(state, text(tree, 'plan'));
  if (plan === undefined) throw new TsuruError('plan not found');
  if (!NAME.test(name)) throw badRequest(BAD_NAME);
  assertTeam(state, pool, teamOwner);
  assertPlan(state, pool, plan.name);
  const router = text(tree, 'router') || ROUTER;
  if (router !== 'none') assertRouter(state, pool, router);
  return {
    name,
    owner: caller.email,
    teamOwner,
    pool: pool.name,
    plan,
    description: text(tree, 'description'),
    // The real client repeats `tag` in a form; JSON has a list `tags`.
    tags: [...new Set([...texts(tree, 'tags'), ...texts(tree, 'tag')])],
    metadata: changedMetadata(NO_METADATA, child(tree, 'metadata')),
    processes: new Map(),
    env: new Map(),
    serviceEnv: [],
    router: router === 'none' ? 'none' : ROUTER,
    deploys: 0,
    versions: [],
    lastVersion: 0,
    unitCounts: new Map(),
    units: new Set(),
    internalAddresses: [],
  };
}

/** What Go's decoders refuse, in their words. */
function checkInput({ body, version }: Call): void {
  const plan = field(body.tree, 'plan');
  if (body.isJson && typeof plan === 'object' && plan !== null) {
    const reason = 'json: cannot unmarshal object into Go struct field inputApp.Plan of type string';
    throw badRequest(`unable to parse as json: ${goQuote(body.text)} - ${reason}`);
  }
  if (body.form.has('tags')) {
    const values = new Map([[':mux-path-template', ['/apps']], [':version', [version]], ...body.form]);
    throw badRequest(`unable to decode form: ${goValues(values)} -  is not a valid index for type []string`);
  }
}

function findPlan(state: State, name: string): Plan | undefined {
  return name === '' ? [...state.plans.values()].find((plan) => plan.default) : state.plans.get(name);
}

function deleteApp(world: World, call: Call): Answer {
  const app = findApp(world, call);
  assertOnApp(call, 'app.delete', app);
  return changeApp(world, call, 'app.delete', app, async (say, event) => {
    if (!world.state.apps.has(app.name)) throw notFound(`App ${app.name} not found.`);
    say(`---- Removing application "${app.name}"... ----\n`);
    const problems: string[] = [];
    for (const instance of boundInstances(world.state, app.name)) {
      // A broker that fails does not keep the app.
      await unbind(world, instance, app, causedBy(call, event), (error) => {
        problems.push(`Unable to unbind app: ${messageOf(error)}\n`);
      });
    }
    dropVolumeBinds(world.state, app.name);
    say(`\n ---> Stopping the app "${app.name}"\n`);
    world.provisioner.destroy(app);
    world.state.apps.delete(app.name);
    // Tsuru takes the owner for a user, which a team token is not.
    if (app.owner.endsWith('@tsuru-team-token')) problems.push('Unable to release app quota: invalid email\n');
    for (const problem of problems) say(problem);
    say(`---- Done removing application.${problems.length > 0 ? ' Some errors occurred during removal.' : ''} ----\n`);
  });
}
