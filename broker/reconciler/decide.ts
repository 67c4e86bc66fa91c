import { compareText } from '../../agent/shared/text.ts';
import { MAKER_ANNOTATION } from '../instances/parts/instance.ts';
import { ACTS } from '../metrics.ts';
import type { App } from '../tsuru/app.ts';
import type { Act, Removal } from './act.ts';
import type { Parts, RoundFacts } from './facts.ts';
import { NO_PARTS, wantedOf, type Wanted } from './wanted.ts';

/**
 * How long the parts of an instance that Tsuru does not know stay: a creation takes 4 minutes at most with its undoing, and Tsuru lists an
 * instance only after that. It is counted from when this broker first saw them so; a restart counts again.
 */
export const GRACE_MS = 15 * 60_000;
/** This many parts are removed in a round at most: a mistake must not take all instances at once. */
export const MOST_REMOVALS = 3;

/** What the next round needs to know of this one. */
export interface Memory {
  /** Since when a grant or a part is missing, by what it is. */
  readonly missing: ReadonlyMap<string, number>;
  readonly leftovers: ReadonlyMap<string, Leftover>;
  /** Whether Tsuru has ever listed an instance. */
  readonly hadInstances: boolean;
}

/** The parts of an instance that Tsuru does not know. */
interface Leftover {
  readonly sinceMs: number;
  /** The creation that had them in hand. */
  readonly maker: string;
  /** When their removal was last tried; 0: never. */
  readonly triedAtMs: number;
}

export const NO_MEMORY: Memory = { missing: new Map(), leftovers: new Map(), hadInstances: false };

export interface Decision {
  /** Most urgent first: another team's app must not be read. */
  readonly acts: readonly Act[];
  /** What is done in a later round if it still differs then. */
  readonly waiting: readonly Act[];
  /** Leftover parts whose grace is over, beyond the most of a round. */
  readonly postponed: readonly Removal[];
  readonly memory: Memory;
  /** Why nothing can be decided: the list of instances says nothing. */
  readonly unknown?: string;
}

export interface DecideOptions {
  readonly service: string;
  readonly nowMs: number;
  /** The private CAs that instances are to trust; '': they are their owners'. */
  readonly authorities: string;
}

/**
 * What is to be put right. Pure. Unknown is never none: a list without the service, or one that is empty and was not, changes nothing, and one
 * that lacks an instance changes nothing of that instance, but for parts that are there for long.
 */
export function decide(facts: RoundFacts, memory: Memory, options: DecideOptions): Decision {
  const { instances, parts } = facts;
  const { service, nowMs } = options;
  if (instances === undefined || (instances.size === 0 && memory.hadInstances)) {
    const unknown =
      instances === undefined
        ? `Tsuru's list of instances lacks the service ${service}: does the service's own token have service.read and service-instance.read?`
        : `Tsuru's list of instances of ${service} is empty, and was not before: nothing is removed until it has one again, or the broker restarts`;
    const nothing = { acts: [], waiting: [], postponed: [] };
    return { ...nothing, memory: { ...memory, leftovers: new Map() }, ...(parts.size === 0 ? {} : { unknown }) };
  }
  const sorted = [...new Set([...instances.keys(), ...parts.keys()])].sort(compareText);
  const wanted = sorted.flatMap((instance) => {
    const known = instances.get(instance);
    return known === undefined ? [] : wantedOf(instance, known.apps, facts, options);
  });
  const missing = new Map(
    wanted.flatMap(({ missing: lack }) =>
      lack === undefined ? [] : [[lack.key, memory.missing.get(lack.key) ?? nowMs] as const],
    ),
  );
  const isDue = ({ missing: lack }: Wanted): boolean => {
    const sinceMs = lack === undefined ? -Infinity : memory.missing.get(lack.key);
    return sinceMs !== undefined && nowMs - sinceMs >= (lack?.graceMs ?? 0);
  };
  const leftovers = leftoversOf(facts, memory, nowMs);
  const { due, early } = removalsAmong(leftovers, parts, nowMs);
  const removals = due.slice(0, MOST_REMOVALS);
  const tried = removals.map(({ instance }) => instance);
  return {
    acts: [...inOrder(wanted.filter(isDue)), ...removals],
    waiting: [...inOrder(wanted.filter((item) => !isDue(item))), ...early],
    postponed: due.slice(MOST_REMOVALS),
    memory: {
      missing,
      leftovers: new Map(
        [...leftovers].map(([instance, leftover]) => [
          instance,
          tried.includes(instance) ? { ...leftover, triedAtMs: nowMs } : leftover,
        ]),
      ),
      hadInstances: memory.hadInstances || instances.size > 0,
    },
  };
}

function inOrder(wanted: readonly Wanted[]): readonly Act[] {
  return wanted.map(({ act }) => act).sort((a, b) => ACTS.indexOf(a.kind) - ACTS.indexOf(b.kind));
}

/** Which creation has an app in hand; '' when it does not say. */
export function makerOf({ annotations }: App): string {
  return annotations.get(MAKER_ANNOTATION) ?? '';
}

function leftoversOf({ instances, parts }: RoundFacts, memory: Memory, nowMs: number): ReadonlyMap<string, Leftover> {
  const unknown = [...parts].filter(([instance]) => instances?.has(instance) !== true);
  return new Map(
    unknown.map(([instance, { app }]): [string, Leftover] => {
      const maker = app === undefined ? '' : makerOf(app);
      const before = memory.leftovers.get(instance);
      // A creation that continues with them begins the grace again.
      return [instance, before?.maker === maker ? before : { sinceMs: nowMs, maker, triedAtMs: 0 }];
    }),
  );
}

/** Those that cannot be removed do not keep the others from it. */
function removalsAmong(
  leftovers: ReadonlyMap<string, Leftover>,
  parts: RoundFacts['parts'],
  nowMs: number,
): { readonly due: readonly Removal[]; readonly early: readonly Removal[] } {
  const sorted = [...leftovers].sort(
    ([first, a], [second, b]) => a.triedAtMs - b.triedAtMs || a.sinceMs - b.sinceMs || compareText(first, second),
  );
  const removals = (isDue: boolean): readonly Removal[] =>
    sorted
      .filter(([, { sinceMs }]) => nowMs - sinceMs >= GRACE_MS === isDue)
      .flatMap(([instance, { maker }]) => removalsOf(instance, parts.get(instance) ?? NO_PARTS, maker));
  return { due: removals(true), early: removals(false) };
}

/** The app first: volume and token are in its use. */
function removalsOf(instance: string, { app, volume, token }: Parts, maker: string): readonly Removal[] {
  const there = { app: app !== undefined, volume: typeof volume === 'object', token: token !== undefined };
  const order = ['app', 'volume', 'token'] as const;
  return order.filter((what) => there[what]).map((what) => ({ kind: 'remove', instance, what, maker }));
}
