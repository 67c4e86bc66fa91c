import { requesterHeaders } from '../broker-client.ts';
import { demand } from '../callers.ts';
import { badRequest } from '../errors.ts';
import { goQuote } from '../go.ts';
import type { Answer, Call, Route } from '../http.ts';
import {
  findInstance,
  findService,
  instanceContexts,
  instanceTarget,
  ownerContexts,
  type Instance,
  type Service,
} from '../services.ts';
import type { Requester } from '../broker-bodies.ts';
import type { World } from '../world.ts';

/** What only Tsuru itself asks of a broker; anybody may read there. */
const RESERVED = ['', 'bind', 'bind-app', 'bind-job'];

/** Relays requests to brokers, so that a service can have calls of its own. */
export function proxyRoutes(world: World): Route[] {
  const { state } = world;
  const instance = (path: string, target: (call: Call) => string): Route => ({
    method: '*',
    path,
    answer: (call) => {
      const found = findInstance(state, call.params['service'] ?? '', call.params['instance'] ?? '');
      return relayToInstance(world, call, found, target(call));
    },
  });
  return [
    instance('/services/:service/resources/:instance/*path', ({ params }) => params['path'] ?? ''),
    instance('/services/:service/resources/:instance', () => ''),
    // The way of API versions before 1.20.
    instance('/services/:service/proxy/:instance', ({ query, params }) =>
      (query.get('callback') ?? '').replace(new RegExp(`^/resources/${params['instance'] ?? ''}(/|$)`), ''),
    ),
    {
      method: '*',
      path: '/services/proxy/service/:service',
      answer: (call) => {
        const service = findService(state, call.params['service'] ?? '');
        demand(call.caller, 'service.update.proxy', ownerContexts(service));
        const path = `/${(call.query.get('callback') ?? '').replace(/^\/+/, '')}`;
        return inEvent(world, call, { type: 'service', value: service.name }, 'service.update.proxy', (requester) =>
          relay(world, call, service, path, '', requester),
        );
      },
    },
  ];
}

function relayToInstance(world: World, call: Call, instance: Instance, wanted: string): Promise<Answer> {
  const kind = 'service-instance.update.proxy';
  demand(call.caller, kind, instanceContexts(instance));
  const path = wanted.replace(/^\/+|\/+$/g, '');
  if (call.method !== 'GET' && RESERVED.includes(path)) {
    throw badRequest(`proxy request ${call.method} ${goQuote(path)} is forbidden`);
  }
  const service = findService(world.state, instance.service);
  return inEvent(world, call, instanceTarget(service.name, instance.name), kind, (requester) =>
    relay(world, call, service, `/resources/${instance.name}/${path}`, instance.pool, requester),
  );
}

/** Reading takes no lock, and makes no event. */
function inEvent(
  { events }: World,
  { method, caller }: Call,
  target: ReturnType<typeof instanceTarget>,
  kind: string,
  work: (requester: Requester | undefined) => Promise<Answer>,
): Promise<Answer> {
  if (method === 'GET' || method === 'HEAD') return work(undefined);
  return events.run({ kind, target, owner: caller.owner }, ({ id }) => work({ user: caller.owner.name, eventId: id }));
}

async function relay(
  { broker, state }: World,
  { method, headers, body, query }: Call,
  service: Service,
  path: string,
  pool: string,
  requester: Requester | undefined,
): Promise<Answer> {
  const rest = new URLSearchParams(query);
  rest.delete('callback');
  const search = rest.size === 0 ? '' : `?${rest.toString()}`;
  const answer = await broker.relay(service, {
    method,
    path: `${path}${search}`,
    headers: { ...handedOn(headers), ...requesterHeaders(requester) },
    text: body.text,
    pool: state.pools.get(pool),
  });
  const { status, contentType } = answer;
  return { status, ...(contentType === '' ? {} : { contentType }), body: answer.body };
}

function handedOn(headers: Call['headers']): Record<string, string> {
  const names = ['accept', 'content-type', 'user-agent'] as const;
  return Object.fromEntries(
    names.flatMap((name): [string, string][] => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
