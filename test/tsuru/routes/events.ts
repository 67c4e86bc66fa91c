import { badRequest, forbidden, notFound } from '../errors.ts';
import { appContexts, type Caller } from '../callers.ts';
import type { TsuruEvent } from '../events.ts';
import { ZERO_TIME } from '../go.ts';
import { json, list, type Route } from '../http.ts';
import { permits, type Context } from '../permissions.ts';
import type { State } from '../state.ts';
import type { World } from '../world.ts';

const DEFAULT_LIMIT = 100;

export function eventRoutes({ events, state }: World): Route[] {
  return [
    {
      method: 'GET',
      path: '/events',
      answer: ({ caller, query }) => {
        const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
        const found = events.all.filter((event) => isAskedFor(event, query) && mayRead(state, caller, event));
        return list(found.toReversed().slice(0, limit).map(eventJson));
      },
    },
    {
      method: 'GET',
      path: '/events/:id',
      answer: ({ caller, params }) => {
        const id = params['id'] ?? '';
        if (!/^[0-9a-f]{24}$/i.test(id)) throw badRequest(`uuid parameter is not ObjectId: ${id}`);
        const event = events.all.find((candidate) => candidate.id === id);
        if (event === undefined) throw notFound('event not found');
        if (!mayRead(state, caller, event)) throw forbidden();
        return json({ ...eventJson(event), CustomData: { Start: null, End: null, Other: null } });
      },
    },
  ];
}

function isAskedFor(event: TsuruEvent, query: URLSearchParams): boolean {
  const wanted = (name: string, value: string): boolean =>
    (query.get(name) ?? value).toLowerCase() === value.toLowerCase();
  const kinds = query.getAll('kindname');
  return (
    wanted('target.type', event.target.type) &&
    wanted('target.value', event.target.value) &&
    wanted('owner.name', event.owner.name) &&
    wanted('running', String(event.running)) &&
    (kinds.length === 0 || kinds.includes(event.kind))
  );
}

function mayRead(state: State, caller: Caller, { target }: TsuruEvent): boolean {
  return permits(caller.permissions, readPermission(target.type), contextsOf(state, target));
}

function readPermission(targetType: string): string {
  return `${targetType}.read.events`;
}

function contextsOf(state: State, { type, value }: TsuruEvent['target']): Context[] {
  const app = type === 'app' ? state.apps.get(value) : undefined;
  return app === undefined ? [{ type, value }] : appContexts(app);
}

/** The keys of Tsuru's own events; what the local one does not keep is empty. */
function eventJson(event: TsuruEvent): Record<string, unknown> {
  const nobody = { Owner: '', StartTime: ZERO_TIME, AckTime: ZERO_TIME, Reason: '', Asked: false, Canceled: false };
  const noData = { Kind: 0, Data: null };
  return {
    UniqueID: event.id,
    Lock: event.running ? targetJson(event) : null,
    StartTime: event.startTime.toISOString(),
    EndTime: event.endTime?.toISOString() ?? ZERO_TIME,
    ExpireAt: ZERO_TIME,
    Target: targetJson(event),
    ExtraTargets: null,
    Kind: { Type: 'permission', Name: event.kind },
    Owner: { Type: event.owner.type, Name: event.owner.name },
    SourceIP: '',
    LockUpdateTime: event.startTime.toISOString(),
    Error: event.error,
    Log: event.log,
    StructuredLog: null,
    CancelInfo: nobody,
    Cancelable: false,
    Running: event.running,
    Allowed: { Scheme: readPermission(event.target.type), Contexts: [] },
    AllowedCancel: { Scheme: '', Contexts: null },
    Instance: { Name: '', Addresses: null },
    StartCustomData: noData,
    EndCustomData: noData,
    OtherCustomData: noData,
  };
}

function targetJson({ target }: TsuruEvent): Record<string, string> {
  return { Type: target.type, Value: target.value };
}
