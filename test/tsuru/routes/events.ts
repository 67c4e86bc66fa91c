import type { Caller } from '../callers.ts';
import { badRequest, forbidden, notFound } from '../errors.ts';
import { eventJson, readPermission } from '../event-json.ts';
import type { TsuruEvent } from '../events.ts';
import { sortedJson, sortedList, type Route } from '../http.ts';
import { permits } from '../permissions.ts';
import type { World } from '../world.ts';

const DEFAULT_LIMIT = 100;
const NO_DATA = { Kind: 0, Data: null };

export function eventRoutes({ events, url }: World): Route[] {
  const shown = (event: TsuruEvent) => ({
    ...eventJson(event, url()),
    ...{ StartCustomData: NO_DATA, EndCustomData: NO_DATA, OtherCustomData: NO_DATA },
  });
  return [
    {
      method: 'GET',
      path: '/events',
      answer: ({ caller, query }) => {
        const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
        const found = events.all.filter((event) => isAskedFor(event, query) && mayRead(caller, event));
        return sortedList(found.toReversed().slice(0, limit).map(shown));
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
        if (!mayRead(caller, event)) throw forbidden();
        return sortedJson({ ...shown(event), CustomData: { Start: null, End: null, Other: null } });
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

function mayRead(caller: Caller, event: TsuruEvent): boolean {
  return permits(caller.permissions, readPermission(event), event.contexts);
}
