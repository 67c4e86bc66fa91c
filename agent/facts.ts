import type { KnownApps } from './discovery/known-apps.ts';
import type { CapacityFacts } from './capacity/capacity.ts';
import type { Features } from './prometheus/api/features.ts';
import type { LearnedPath } from './redirects/learned-paths.ts';
import type { Settings } from './shared/settings/schema.ts';

/** All that is known at a moment and decides what Prometheus is to do. */
export interface Facts {
  /** The apps as Tsuru reported them last; before it has answered, those of the last run. Undefined: nothing is known, which is not "none". */
  readonly apps: KnownApps | undefined;
  /** When they were seen, on the clock that only goes forward. */
  readonly seenAtMs: number;
  /** The settings in force. */
  readonly settings: Settings;
  /** Where the users of this instance find it; undefined until Tsuru reports. */
  readonly address: string | undefined;
  /** What this version of Prometheus can do. */
  readonly features: Features;
  /** The paths that processes redirect their metrics to, by process. */
  readonly learned: ReadonlyMap<string, LearnedPath>;
  /** How often the file discovery of Prometheus was found dead: it starts again with another configuration. */
  readonly revivals: number;
  /** What the agent's own Prometheus can hold; undefined for an external one. */
  readonly capacity: CapacityFacts | undefined;
}

/** The one place where what is known changes. */
export interface FactStore {
  readonly current: () => Facts;
  /** Takes a patch. All patches of one turn of the event loop cause one round; a patch without a change causes none. */
  readonly patch: (news: Partial<Facts>) => void;
  /** The same for what the own Prometheus can hold. */
  readonly patchCapacity: (news: Partial<CapacityFacts>) => void;
  /** Has `round` called with the facts now, and after each change. */
  readonly follow: (round: (facts: Facts) => void) => void;
  /** Makes the round that is due, at once. */
  readonly flush: () => void;
}

export function createFacts(first: Facts): FactStore {
  let facts = first;
  let isDue = false;
  let follower: ((facts: Facts) => void) | undefined;

  function flush(): void {
    if (!isDue || follower === undefined) return;
    isDue = false;
    follower(facts);
  }

  function patch(news: Partial<Facts>): void {
    if (!hasNews(facts, news)) return;
    facts = { ...facts, ...news };
    if (isDue) return;
    isDue = true;
    queueMicrotask(flush);
  }

  return {
    current: () => facts,
    patch,
    patchCapacity(news) {
      if (facts.capacity !== undefined && hasNews(facts.capacity, news))
        patch({ capacity: { ...facts.capacity, ...news } });
    },
    follow(round) {
      follower = round;
      isDue = true;
      flush();
    },
    flush,
  };
}

function hasNews<T extends object>(facts: T, news: Partial<T>): boolean {
  return (Object.keys(news) as (keyof T)[]).some((name) => !Object.is(facts[name], news[name]));
}
