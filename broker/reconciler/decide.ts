import { compareText } from '../../agent/shared/text.ts';
import { READER } from '../tsuru/grants.ts';
import { bindsOf, bindsText } from '../instances/binds-annotation.ts';
import { AUTHORITIES, MAKER_ANNOTATION, VARIABLES } from '../instances/parts/instance.ts';
import { ACTS } from '../metrics.ts';
import { namesOf } from '../names.ts';
import type { App } from '../tsuru/app.ts';
import type { Parts, RoundFacts } from './facts.ts';

/**
 * How long the parts of an instance that Tsuru does not know stay: a creation takes 4 minutes at most with its undoing, and Tsuru lists an
 * instance only after that. It is counted from when this broker first saw them so; a restart counts again.
 */
export const GRACE_MS = 15 * 60_000;
/** This many parts are removed in a round at most: a mistake must not take all instances at once. */
export const MOST_REMOVALS = 3;

/** Of each bound app its team. */
type Binds = ReadonlyMap<string, string>;

/** One thing to put right. */
export type Act =
  /** No bind explains the grant. */
  | { readonly kind: 'revoke'; readonly instance: string; readonly app: string }
  /** A bind, or the instance's own app, lacks its grant. */
  | { readonly kind: 'grant'; readonly instance: string; readonly app: string }
  /** The annotation with the teams of the bound apps, for the agent. */
  | { readonly kind: 'confirm_binds'; readonly instance: string; readonly binds: Binds; readonly before: Binds }
  | { readonly kind: 'restore_token'; readonly instance: string; readonly apps: readonly string[] }
  | { readonly kind: 'restore_variables'; readonly instance: string }
  | { readonly kind: 'deploy'; readonly instance: string }
  /** Parts of an instance that Tsuru does not know. */
  | { readonly kind: 'remove'; readonly instance: string; readonly what: Part; readonly maker: string };

type Part = 'app' | 'volume' | 'token';
type Removal = Extract<Act, { readonly kind: 'remove' }>;

/** What the next round needs to know of this one. */
export interface Memory {
  /** Binds that had no grant. */
  readonly missingGrants: ReadonlySet<string>;
  readonly leftovers: ReadonlyMap<string, Leftover>;
}

/** The parts of an instance that Tsuru does not know. */
interface Leftover {
  readonly sinceMs: number;
  /** The creation that had them in hand. */
  readonly maker: string;
  /** When their removal was last tried; 0: never. */
  readonly triedAtMs: number;
}

export const NO_MEMORY: Memory = { missingGrants: new Set(), leftovers: new Map() };

export interface Decision {
  /** Most urgent first: another team's app must not be read. */
  readonly acts: readonly Act[];
  readonly memory: Memory;
  /** Leftover parts whose grace is over, beyond the most of a round. */
  readonly postponed: number;
  /** Why nothing can be decided: the list of instances says nothing. */
  readonly unknown?: string;
}

/**
 * What is to be put right. Pure. Unknown is never none: a list without the service changes nothing, and one that lacks an instance changes
 * nothing of that instance, but for parts that are there for long.
 * @param authorities The private CAs that instances are to trust; '': they are their owners'.
 */
export function decide(facts: RoundFacts, memory: Memory, service: string, nowMs: number, authorities = ''): Decision {
  const { instances, parts, teams } = facts;
  if (instances === undefined) {
    const unknown = `Tsuru's list of instances lacks the service ${service}: does the service's own token have service.read and service-instance.read?`;
    return { acts: [], memory, postponed: 0, ...(parts.size === 0 ? {} : { unknown }) };
  }
  const missingGrants = new Set<string>();
  const acts: Act[] = [];
  const sorted = [...parts].sort(([a], [b]) => compareText(a, b));
  for (const [instance, part] of sorted) {
    const known = instances.get(instance);
    if (known === undefined) continue;
    const { part: ownApp } = namesOf({ service, instance });
    const { grants, missing } = decideGrants(part, instance, ownApp, known.apps, memory);
    for (const app of missing) missingGrants.add(bindKey(instance, app));
    acts.push(...grants, ...decideParts(part, instance, known.apps, teams, authorities));
  }
  const leftovers = new Map(
    sorted
      .filter(([instance]) => !instances.has(instance))
      .map(([instance, { app }]): [string, Leftover] => {
        const maker = app === undefined ? '' : makerOf(app);
        const before = memory.leftovers.get(instance);
        // A creation that continues with them begins the grace again.
        return [instance, before?.maker === maker ? before : { sinceMs: nowMs, maker, triedAtMs: 0 }];
      }),
  );
  const { removals, postponed } = decideRemovals(leftovers, parts, nowMs);
  const tried = removals.map(({ instance }) => instance);
  return {
    acts: [...acts.sort((a, b) => ACTS.indexOf(a.kind) - ACTS.indexOf(b.kind)), ...removals],
    postponed,
    memory: {
      missingGrants,
      leftovers: new Map(
        [...leftovers].map(([instance, leftover]) => [
          instance,
          tried.includes(instance) ? { ...leftover, triedAtMs: nowMs } : leftover,
        ]),
      ),
    },
  };
}

/** Which creation has an app in hand; '' when it does not say. */
export function makerOf({ annotations }: App): string {
  return annotations.get(MAKER_ANNOTATION) ?? '';
}

/** Those that cannot be removed do not keep the others from it. */
function decideRemovals(
  leftovers: ReadonlyMap<string, Leftover>,
  parts: RoundFacts['parts'],
  nowMs: number,
): { readonly removals: readonly Removal[]; readonly postponed: number } {
  const due = [...leftovers]
    .filter(([, { sinceMs }]) => nowMs - sinceMs >= GRACE_MS)
    .sort(([, a], [, b]) => a.triedAtMs - b.triedAtMs || a.sinceMs - b.sinceMs)
    .flatMap(([instance, { maker }]) => removalsOf(instance, parts.get(instance), maker));
  return { removals: due.slice(0, MOST_REMOVALS), postponed: Math.max(0, due.length - MOST_REMOVALS) };
}

/** A bind is granted again when it had no grant in two rounds: before that, the bind may be under way. */
function decideGrants(
  { app, token }: Parts,
  instance: string,
  ownApp: string,
  bound: readonly string[],
  memory: Memory,
): { readonly grants: readonly Act[]; readonly missing: readonly string[] } {
  if (app === undefined || token === undefined) return { grants: [], missing: [] };
  const granted = new Set(token.roles.filter(({ name }) => name === READER).map(({ context }) => context));
  const wanted = new Set([ownApp, ...bound]);
  const missing = [...wanted].filter((name) => !granted.has(name)).sort(compareText);
  const due = missing.filter((name) => name === ownApp || memory.missingGrants.has(bindKey(instance, name)));
  const extra = [...granted].filter((name) => !wanted.has(name)).sort(compareText);
  return {
    missing,
    grants: [
      ...extra.map((name): Act => ({ kind: 'revoke', instance, app: name })),
      ...due.map((name): Act => ({ kind: 'grant', instance, app: name })),
    ],
  };
}

function decideParts(
  { app, token, variables }: Parts,
  instance: string,
  bound: readonly string[],
  teams: ReadonlyMap<string, string>,
  authorities: string,
): readonly Act[] {
  if (app === undefined) return [];
  const before = bindsOf(app);
  // An app whose team is not known keeps what was confirmed.
  const binds = new Map(
    bound.flatMap((name): [string, string][] => {
      const team = teams.get(name) ?? before.get(name);
      return team === undefined ? [] : [[name, team]];
    }),
  );
  const isStale = variables !== undefined && token !== undefined && !hasVariables(variables, token.value, authorities);
  return [
    ...(bindsText(binds) === bindsText(before) ? [] : [{ kind: 'confirm_binds', instance, binds, before } as const]),
    ...(token === undefined ? [{ kind: 'restore_token', instance, apps: bound } as const] : []),
    ...(isStale ? [{ kind: 'restore_variables', instance } as const] : []),
    ...(app.units.length === 0 && app.unitsError === '' ? [{ kind: 'deploy', instance } as const] : []),
  ];
}

/** `token` is '' when the broker may not see its value. */
function hasVariables(variables: ReadonlyMap<string, string>, token: string, authorities: string): boolean {
  const isTokenRight = token === '' ? variables.has(VARIABLES.token) : variables.get(VARIABLES.token) === token;
  const areTrusted = authorities === '' || variables.get(AUTHORITIES) === authorities;
  return isTokenRight && areTrusted && variables.has(VARIABLES.username) && variables.has(VARIABLES.password);
}

/** The app first: volume and token are in its use. */
function removalsOf(instance: string, parts: Parts | undefined, maker: string): readonly Removal[] {
  const there = { app: parts?.app !== undefined, volume: parts?.hasVolume === true, token: parts?.token !== undefined };
  const order = ['app', 'volume', 'token'] as const;
  return order.filter((what) => there[what]).map((what) => ({ kind: 'remove', instance, what, maker }));
}

function bindKey(instance: string, app: string): string {
  return `${instance} ${app}`;
}
