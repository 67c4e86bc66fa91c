import { badRequest } from '../errors.ts';
import { json, type Answer, type Call, type Route } from '../http.ts';
import { children, flag, text, type Tree } from '../input.ts';
import type { App, EnvVar } from '../state.ts';
import { tsuruServices } from '../unit-env.ts';
import { changeApp, assertOnApp, findApp, restartQuietly, type World } from '../world.ts';

const NAME = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
/** Tsuru's own, which nobody else may set. */
const INTERNAL = ['TSURU_APPNAME', 'TSURU_APP_TOKEN', 'TSURU_SERVICE', 'TSURU_APPDIR'];

export function envRoutes(world: World): Route[] {
  return [
    {
      method: 'GET',
      path: '/apps/:app/env',
      answer: (call) => {
        const app = findApp(world, call);
        assertOnApp(call, 'app.read.env', app);
        const asked = call.query.getAll('env');
        const all = [...app.env.values(), ...serviceVars(app), ...tsuruVars(app)];
        const wanted = asked.length === 0 ? all : all.filter(({ name }) => asked.includes(name));
        // Nothing found is null in Go, not an empty list.
        return json(wanted.length === 0 ? null : wanted.map(envJson));
      },
    },
    { method: 'POST', path: '/apps/:app/env', answer: (call) => setEnv(world, call) },
    { method: 'DELETE', path: '/apps/:app/env', answer: (call) => unsetEnv(world, call) },
  ];
}

function setEnv(world: World, call: Call): Answer {
  const { tree } = call.body;
  const variables = children(tree, 'Envs').map((item) => variableOf(item, tree));
  const managedBy = text(tree, 'ManagedBy');
  const prunes = flag(tree, 'PruneUnused');
  if (variables.length === 0 && managedBy === '') {
    throw badRequest('You must provide the list of environment variables');
  }
  if (prunes && managedBy === '') throw badRequest('Prune unused requires a managed-by value');
  for (const { name } of variables) checkName(name);
  const app = findApp(world, call);
  assertOnApp(call, 'app.update.env.set', app);
  return changeApp(world, call, 'app.update.env.set', app, async (say) => {
    say(`---- Setting ${variables.length} new environment variables ----\n`);
    if (prunes) prune(app, managedBy, variables);
    for (const variable of variables) app.env.set(variable.name, variable);
    for (const { name, value, ...variable } of variables) {
      const shown = variable.public ? value : '*** (private)';
      world.logs(app.name).add({ message: `setting env ${name}=${shown}`, source: 'tsuru', unit: 'api' });
    }
    if (!flag(tree, 'NoRestart')) await restartQuietly(world, app, say);
  });
}

function unsetEnv(world: World, call: Call): Answer {
  const names = call.query.getAll('env');
  if (names.length === 0) throw badRequest('You must provide the list of environment variables.');
  const app = findApp(world, call);
  assertOnApp(call, 'app.update.env.unset', app);
  return changeApp(world, call, 'app.update.env.unset', app, async (say) => {
    say(`---- Unsetting ${names.length} environment variables ----\n`);
    for (const name of names) app.env.delete(name);
    if (call.query.get('noRestart') !== 'true') await restartQuietly(world, app, say);
  });
}

function variableOf(item: Tree, envs: Tree): EnvVar {
  const isPrivate = flag(envs, 'Private') || flag(item, 'Private');
  return {
    name: text(item, 'Name'),
    value: text(item, 'Value'),
    public: !isPrivate,
    managedBy: text(envs, 'ManagedBy'),
  };
}

function checkName(name: string): void {
  const fault = INTERNAL.includes(name)
    ? `cannot change an internal environment variable (${name}): write-protected environment variable`
    : NAME.test(name)
      ? undefined
      : `"${name}" is not valid environment variable name: a valid environment variable name must consist of alphabetic characters, digits, '_' and must not start with a digit: invalid environment variable name`;
  if (fault !== undefined) throw badRequest(`There were errors validating environment variables: ${fault}`);
}

function prune(app: App, managedBy: string, kept: readonly EnvVar[]): void {
  for (const variable of app.env.values()) {
    if (variable.managedBy === managedBy && !kept.some(({ name }) => name === variable.name))
      app.env.delete(variable.name);
  }
}

/** What brokers gave. */
function serviceVars({ serviceEnv }: App): EnvVar[] {
  return serviceEnv.map(({ service, instance, name, value }) => ({
    ...{ name, value, public: false, managedBy: `${service}/${instance}` },
  }));
}

function tsuruVars(app: App): EnvVar[] {
  const { name } = app;
  return [
    { name: 'TSURU_SERVICES', value: tsuruServices(app), public: false, managedBy: 'tsuru' },
    { name: 'TSURU_APPNAME', value: name, public: true, managedBy: 'tsuru' },
    { name: 'TSURU_APPDIR', value: '/home/application/current', public: true, managedBy: 'tsuru' },
  ];
}

function envJson({ name, value, managedBy, ...variable }: EnvVar): Record<string, unknown> {
  return { name, value, alias: '', public: variable.public, ...(managedBy === '' ? {} : { managedBy }) };
}
