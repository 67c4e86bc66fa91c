import { demand, onlyTeam } from '../callers.ts';
import { badRequest, conflict, forbidden } from '../errors.ts';
import { goJson, goQuote } from '../go.ts';
import { json, list, OK, TEXT, type Answer, type Call, type Route, type WholeAnswer } from '../http.ts';
import { child, flag, text } from '../input.ts';
import { permits } from '../permissions.ts';
import {
  ENCODINGS,
  findService,
  instanceContexts,
  newService,
  ownerContexts,
  type Encoding,
  type Instance,
  type Service,
} from '../services.ts';
import { instanceWithInfo } from '../instance-json.ts';
import { changeService, assertAccess } from '../service-changes.ts';
import type { World } from '../world.ts';

const ID = /^[a-z][a-z0-9-]{0,39}$/;

export function serviceRoutes(world: World): Route[] {
  const { state, calls } = world;
  const named = ({ params }: Call): Service => findService(state, params['service'] ?? '');
  return [
    { method: 'POST', path: '/services', answer: (call) => createService(world, call) },
    {
      method: 'GET',
      path: '/services',
      answer: ({ caller }) =>
        list(
          [...state.services.values()]
            .filter((service) => permits(caller.permissions, 'service.read', ownerContexts(service)))
            .map(({ name }) => ({
              service: name,
              instances: instancesOf(world, name).map((instance) => instance.name),
            })),
        ),
    },
    {
      method: 'GET',
      path: '/services/:service',
      answer: async (call) => {
        const { name } = named(call);
        const readable = instancesOf(world, name).filter((instance) =>
          permits(call.caller.permissions, 'service-instance.read', instanceContexts(instance)),
        );
        const shown: Record<string, unknown>[] = [];
        for (const instance of readable) {
          // A broker that fails just has nothing to tell.
          const info = await calls.info(instance, call.requestId).catch(() => null);
          shown.push(instanceWithInfo(instance, info));
        }
        return sniffed(goJson(shown.length === 0 ? null : shown));
      },
    },
    {
      method: 'PUT',
      path: '/services/:service',
      answer: (call) =>
        changeService(world, call, 'service.update', named(call), (service) => {
          updateService(service, call);
        }),
    },
    {
      method: 'DELETE',
      path: '/services/:service',
      answer: (call) =>
        changeService(world, call, 'service.delete', named(call), ({ name }) => {
          if (instancesOf(world, name).length > 0) {
            throw forbidden(
              'This service cannot be removed because it has instances.\nPlease remove these instances before removing the service.',
            );
          }
          state.services.delete(name);
        }),
    },
    {
      method: 'GET',
      path: '/services/:service/plans',
      answer: async (call) => {
        const service = named(call);
        assertAccess(service, call, 'service.read.plans');
        const pool = service.isMultiCluster ? (call.query.get('pool') ?? '') : '';
        if (service.isMultiCluster && pool === '') {
          const pools = [...state.pools.keys()].sort().join(', ');
          throw badRequest(`You must provide the pool name, available pools: ${pools}`);
        }
        return json(await calls.plans(service, pool, call.requestId));
      },
    },
    {
      method: 'GET',
      path: '/services/:service/doc',
      answer: (call) => {
        const service = named(call);
        assertAccess(service, call, 'service.read.doc');
        return service.doc === '' ? OK : sniffed(service.doc);
      },
    },
    {
      method: 'PUT',
      path: '/services/:service/doc',
      answer: (call) =>
        changeService(world, call, 'service.update.doc', named(call), (service) => {
          service.doc = text(call.body.tree, 'doc');
        }),
    },
  ];
}

async function createService({ state, events }: World, call: Call): Promise<Answer> {
  const { tree } = call.body;
  const encoding = encodingOf(call);
  const name = text(tree, 'id');
  const team = text(tree, 'team') || onlyTeam(state.teams);
  const owner = { type: 'team', value: team };
  demand(call.caller, 'service.create', [owner]);
  const change = { kind: 'service.create', target: { type: 'service', value: name }, owner: call.caller.owner };
  await events.run(change, () => {
    const [username, password] = [text(tree, 'username'), text(tree, 'password')];
    const options = {
      name,
      endpoint: endpointOf(call),
      username,
      password,
      team,
      encoding: encoding ?? 'form',
    } as const;
    if (name === '') throw badRequest('Service id is required');
    if (!ID.test(name)) {
      throw badRequest(
        'Invalid service id, should have at most 40 characters, containing only lower case letters, numbers or dashes, starting with a letter.',
      );
    }
    if (password === '') throw badRequest('Service password is required');
    if (options.endpoint === '') throw badRequest('Service production endpoint is required');
    if (state.services.has(name)) throw conflict('Service already exists.');
    state.services.set(name, newService({ ...options, isMultiCluster: flag(tree, 'multi-cluster') }));
    return Promise.resolve();
  });
  return { ...sniffed('success'), status: 201 };
}

function updateService(service: Service, call: Call): void {
  const { tree } = call.body;
  const encoding = encodingOf(call);
  const team = text(tree, 'team');
  service.endpoint = endpointOf(call);
  service.password = text(tree, 'password');
  service.username = text(tree, 'username');
  if (encoding !== undefined) service.encoding = encoding;
  if (team !== '') service.ownerTeams = [team];
}

/** Undefined when nothing is said of it. */
function encodingOf({ body: { tree } }: Call): Encoding | undefined {
  const given = text(tree, 'encoding');
  const encoding = ENCODINGS.find((candidate) => candidate === given);
  if (given !== '' && encoding === undefined) {
    throw badRequest(`Invalid encoding ${goQuote(given)}, valid options are: form, json`);
  }
  return encoding;
}

function endpointOf({ body: { tree } }: Call): string {
  return text(child(tree, 'endpoints'), 'production') || text(tree, 'endpoint');
}

function instancesOf({ state }: World, service: string): Instance[] {
  return [...state.instances.values()].filter((instance) => instance.service === service);
}

/** What Tsuru writes without saying what it is: Go takes it for plain text. */
function sniffed(body: string): WholeAnswer {
  return { status: 200, contentType: TEXT, body };
}
