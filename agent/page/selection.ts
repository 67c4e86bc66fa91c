import { UNIT_STATES, type UnitState } from './units.ts';

/** What of the units a reader wants to see: the query of the page. */
export interface Selection {
  readonly app: string | undefined;
  readonly state: UnitState | undefined;
  /** From 1 on. */
  readonly page: number;
}

/** What means nothing is left out. */
export function readSelection(query: URLSearchParams): Selection {
  const app = query.get('app') ?? '';
  const state = UNIT_STATES.find((known) => known === query.get('state'));
  const page = /^[1-9]\d{0,4}$/.exec(query.get('page') ?? '')?.[0];
  return { app: app === '' ? undefined : app, state, page: Number(page ?? 1) };
}

/** The address of the page with a selection, relative to the one that is shown. */
export function linkTo({ app, state, page }: Selection): string {
  const query = new URLSearchParams({
    ...(app === undefined ? {} : { app }),
    ...(state === undefined ? {} : { state }),
    ...(page === 1 ? {} : { page: String(page) }),
  });
  return query.size === 0 ? '?' : `?${query.toString()}`;
}
