import { appContexts, demand, mayOnApp } from '../callers.ts';
import { badRequest, conflict, notFound, TsuruError } from '../errors.ts';
import { goQuote, goValues } from '../go.ts';
import { json, list, type Answer, type Call, type Route } from '../http.ts';
import { child, field, text, texts } from '../input.ts';
import { changedMetadata, NO_METADATA } from '../metadata.ts';
import type { Plan } from '../plans.ts';
import type { App, State } from '../state.ts';
import { appHost, appJson, listedAppJson } from '../view.ts';
import { changeApp, demandOnApp, findApp, type World } from '../world.ts';

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
        return list(apps.map((app) => listedAppJson(app, extended, views.unitsError(app.name))));
      },
    },
    {
      method: 'POST',
      path: '/apps',
      answer: (call) => {
        const app = createApp(state, call);
        state.apps.set(app.name, app);
        return json({ ip: appHost(app.name), status: 'success' }, 201);
      },
    },
    {
      method: 'GET',
      path: '/apps/:app',
      answer: (call) => {
        const app = findApp(world, call);
        demand(call.caller, 'app.read.info', appContexts(app));
        return json(appJson(app, call.views.unitsError(app.name)));
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

function createApp(state: State, call: Call): App {
  checkInput(call);
  const { tree } = call.body;
  const name = text(tree, 'name');
  const teamOwner = text(tree, 'teamOwner') || onlyTeam(state);
  demand(call.caller, 'app.create', [{ type: 'team', value: teamOwner }]);
  if (!state.teams.includes(teamOwner)) throw badRequest('team not found');
  if (state.apps.has(name)) {
    throw conflict(`tsuru failed to create the app ${goQuote(name)}: there is already an app with this name`);
  }
  const pool = text(tree, 'pool') || ([...state.pools.values()].find(({ isDefault }) => isDefault)?.name ?? '');
  if (!state.pools.has(pool)) throw new TsuruError('Pool does not exist.');
  const plan = findPlan(state, text(tree, 'plan'));
  if (plan === undefined) throw new TsuruError('plan not found');
  if (!NAME.test(name)) throw badRequest(BAD_NAME);
  return {
    name,
    owner: call.caller.email,
    teamOwner,
    pool,
    plan,
    description: text(tree, 'description'),
    // The real client repeats `tag` in a form; JSON has a list `tags`.
    tags: [...new Set([...texts(tree, 'tags'), ...texts(tree, 'tag')])],
    metadata: changedMetadata(NO_METADATA, child(tree, 'metadata')),
    processes: new Map(),
    env: new Map(),
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

function onlyTeam({ teams }: State): string {
  const [only] = teams;
  if (only === undefined || teams.length > 1) throw badRequest('You must provide a team to execute this action.');
  return only;
}

function findPlan(state: State, name: string): Plan | undefined {
  return name === '' ? [...state.plans.values()].find((plan) => plan.default) : state.plans.get(name);
}

function deleteApp(world: World, call: Call): Answer {
  const app = findApp(world, call);
  demandOnApp(call, 'app.delete', app);
  return changeApp(world, call, 'app.delete', app, (say) => {
    if (!world.state.apps.has(app.name)) throw notFound(`App ${app.name} not found.`);
    say(`---- Removing application "${app.name}"... ----\n`);
    say(`\n ---> Stopping the app "${app.name}"\n`);
    world.provisioner.destroy(app);
    world.state.apps.delete(app.name);
    // Tsuru takes the owner for a user, which a team token is not.
    const isOwnedByToken = app.owner.endsWith('@tsuru-team-token');
    if (isOwnedByToken) say('Unable to release app quota: invalid email\n');
    say(`---- Done removing application.${isOwnedByToken ? ' Some errors occurred during removal.' : ''} ----\n`);
    return Promise.resolve();
  });
}
