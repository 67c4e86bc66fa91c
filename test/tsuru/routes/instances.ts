import { unbind } from '../binds.ts';
import { demand, onlyTeam } from '../callers.ts';
import { badRequest, conflict, TsuruError } from '../errors.ts';
import { goQuote } from '../go.ts';
import {
  CREATED,
  json,
  JSON_STREAM,
  list,
  messageJson,
  messageOf,
  OK,
  TEXT,
  type Answer,
  type Call,
  type Route,
} from '../http.ts';
import { child, flag, text, texts, type Tree } from '../input.ts';
import { permits } from '../permissions.ts';
import { allowedIn, findPool } from '../pools.ts';
import {
  findInstance,
  findService,
  instanceContexts,
  instanceKey,
  instanceTarget,
  serviceContexts,
  type Instance,
  type Service,
} from '../services.ts';
import { infoJson, listedJson } from '../instance-json.ts';
import { changeInstance, assertAccess } from '../service-changes.ts';
import { causedBy, restartQuietly, type World } from '../world.ts';

const NAME = /^[A-Za-z][-a-zA-Z0-9_]+$/;

export function instanceRoutes(world: World): Route[] {
  const { state, calls } = world;
  const named = ({ params }: Call): Instance => findInstance(state, params['service'] ?? '', params['instance'] ?? '');
  return [
    { method: 'GET', path: '/services/instances', answer: (call) => listInstances(world, call) },
    { method: 'POST', path: '/services/:service/instances', answer: (call) => createInstance(world, call) },
    {
      method: 'GET',
      path: '/services/:service/instances/:instance',
      answer: async (call) => {
        const service = findService(state, call.params['service'] ?? '');
        const instance = named(call);
        demand(call.caller, 'service-instance.read', instanceContexts(instance));
        const info = await calls.info(instance, call.requestId);
        const plans = await calls.plans(service, instance.pool, call.requestId);
        const plan = plans?.find(({ Name }) => Name === instance.plan);
        return json(infoJson(world, instance, info, plan?.Description ?? ''));
      },
    },
    {
      method: 'GET',
      path: '/services/:service/instances/:instance/status',
      answer: async (call) => {
        const instance = named(call);
        demand(call.caller, 'service-instance.read.status', instanceContexts(instance));
        const status = await calls.status(instance, call.requestId).catch((error: unknown) => {
          throw new Error(`Could not retrieve status of service instance, error: ${messageOf(error)}`);
        });
        return { status: 200, contentType: TEXT, body: `Service instance "${instance.name}" is ${status}` };
      },
    },
    {
      method: 'PUT',
      path: '/services/:service/instances/:instance',
      answer: (call) => updateInstance(world, call, named(call)),
    },
    {
      method: 'DELETE',
      path: '/services/:service/instances/:instance',
      answer: (call) => removeInstance(world, call, named(call)),
    },
  ];
}

/** Does not call the broker. A restricted service that the caller may not read is not there. */
function listInstances({ state }: World, { caller, query }: Call): Answer {
  const app = query.get('app') ?? '';
  const tags = query.getAll('tag');
  const services = [...state.services.values()].filter(
    (service) => !service.isRestricted || permits(caller.permissions, 'service.read', serviceContexts(service)),
  );
  const readable = [...state.instances.values()].filter(
    (instance) =>
      permits(caller.permissions, 'service-instance.read', instanceContexts(instance)) &&
      (app === '' || instance.apps.includes(app)) &&
      tags.every((tag) => instance.tags.includes(tag)),
  );
  return list(
    services
      .map(({ name }) => name)
      .sort()
      .map((service) => {
        const ofService = readable.filter((instance) => instance.service === service);
        const isEmpty = ofService.length === 0;
        return {
          service,
          instances: ofService.map(({ name }) => name),
          plans: isEmpty ? null : ofService.map(({ plan }) => plan),
          service_instances: isEmpty ? null : ofService.map(listedJson),
        };
      }),
  );
}

/** The broker first: only what it has made is remembered. */
async function createInstance({ state, events, calls }: World, call: Call): Promise<Answer> {
  const service = findService(state, call.params['service'] ?? '');
  const instance = newInstance(service, call.body.tree, state.teams);
  demand(call.caller, 'service-instance.create', [{ type: 'team', value: instance.teamOwner }]);
  assertAccess(service, call, 'service.read');
  const target = instanceTarget(service.name, instance.name);
  await events.run({ kind: 'service-instance.create', target, owner: call.caller.owner }, async (event) => {
    const key = instanceKey(service.name, instance.name);
    if (!NAME.test(instance.name)) throw badRequest('invalid service instance name');
    if (state.instances.has(key)) throw conflict('instance name already exists.');
    if (!state.teams.includes(instance.teamOwner)) throw new TsuruError("Team owner doesn't exist");
    checkPool(state, service, instance.pool);
    await calls.create(instance, causedBy(call, event));
    state.instances.set(key, instance);
  });
  return CREATED;
}

function checkPool(state: World['state'], service: Service, name: string): void {
  if (!service.isMultiCluster) {
    if (name !== '') throw new TsuruError('regular (non-multi-cluster) service instance cannot belong to a pool');
    return;
  }
  if (name === '') throw new TsuruError('multi-cluster service instance requires a pool');
  if (!allowedIn(state, findPool(state, name)).service.includes(service.name)) {
    throw badRequest(`Service ${goQuote(service.name)} is not available in pool ${goQuote(name)}`);
  }
}

function newInstance(service: Service, tree: Tree, teams: readonly string[]): Instance {
  const teamOwner = text(tree, 'owner') || text(tree, 'team_owner') || text(tree, 'teamOwner') || onlyTeam(teams);
  return {
    name: text(tree, 'name'),
    service: service.name,
    pool: text(tree, 'pool'),
    plan: text(tree, 'plan') || text(tree, 'plan_name'),
    teamOwner,
    teams: [teamOwner],
    description: text(tree, 'description'),
    tags: tagsOf(tree),
    parameters: child(tree, 'parameters'),
    apps: [],
    jobs: [],
  };
}

/** Carries the whole new state. What the broker then refuses is kept here anyway. */
async function updateInstance(world: World, call: Call, found: Instance): Promise<Answer> {
  const { tree } = call.body;
  const tags = tagsOf(tree);
  const updated = {
    description: text(tree, 'description'),
    teamOwner: text(tree, 'teamOwner'),
    plan: text(tree, 'plan'),
    tags: tags.length === 0 ? found.tags : tags,
    parameters: child(tree, 'parameters'),
  };
  const kinds = Object.entries(updated).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(found[name as keyof typeof updated]),
  );
  if (kinds.length === 0) {
    throw badRequest(
      'Neither description, team owner, tags, plan nor plan parameters were set. You must define at least one.',
    );
  }
  for (const [name] of kinds) {
    demand(call.caller, `service-instance.update.${name.toLowerCase()}`, instanceContexts(found));
  }
  const { service, name } = found;
  const change = { kind: 'service-instance.update', target: instanceTarget(service, name), owner: call.caller.owner };
  await world.events.run(change, async (event) => {
    if (updated.teamOwner === '') throw new TsuruError('please specify the team that owns the service instance');
    if (!world.state.teams.includes(updated.teamOwner)) throw new TsuruError("Team owner doesn't exist");
    const instance = findInstance(world.state, service, name);
    Object.assign(instance, updated, { teams: [...new Set([...instance.teams, updated.teamOwner])] });
    await world.calls.update(instance, causedBy(call, event));
  });
  return OK;
}

/** Refused while apps are bound; jobs are not looked at. */
function removeInstance(world: World, call: Call, found: Instance): Answer {
  const asked = (name: string): boolean => call.query.get(name) === 'true' || flag(call.body.tree, name);
  return {
    contentType: JSON_STREAM,
    run: (output) =>
      changeInstance(world, call, 'service-instance.delete', found, async (instance, event) => {
        const { service, name } = instance;
        const caused = causedBy(call, event);
        const say = (message: string): void => {
          event.log.push({ date: new Date(), message });
          output.write(messageJson(message));
        };
        for (const appName of asked('unbindall') ? instance.apps : []) {
          const app = world.state.apps.get(appName);
          if (app === undefined) continue;
          say(`Unbind app ${goQuote(appName)} ...\n`);
          const lost = await unbind(world, instance, app, caused);
          if (lost > 0) await restartQuietly(world, app, say);
          say(`\nInstance ${goQuote(name)} is not bound to the app ${goQuote(appName)} anymore.\n`);
        }
        if (instance.apps.length > 0) {
          const reason = 'This service instance is bound to at least one app. Unbind them before removing it';
          throw badRequest(`Applications bound to the service "${name}": "${instance.apps.join(',')}"\n: ${reason}`);
        }
        await world.calls.remove(instance, caused).catch((error: unknown) => {
          if (!asked('ignoreerrors')) throw error;
          const problem = `could not delete the service instance on service api: ${messageOf(error)}`;
          say(`${problem}. ignoring this error due to force removal...\n`);
        });
        world.state.instances.delete(instanceKey(service, name));
        say('service instance successfully removed\n');
      }),
  };
}

/** The real client repeats `tag`. */
function tagsOf(tree: Tree): string[] {
  return [...new Set([...texts(tree, 'tags'), ...texts(tree, 'tag')])].filter((tag) => tag !== '');
}
