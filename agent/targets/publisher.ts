import type { KnownApps } from '../apps.ts';
import type { Clock } from '../shared/clock.ts';
import { changesBetween, type Change } from '../discovery/changes.ts';
import { discover, type Discovered, type Discovery, type DiscoveryOptions } from '../discovery/discover.ts';
import { errorText } from '../shared/text.ts';
import type { StateFile } from '../state.ts';
import type { TargetFile } from './file.ts';
import { renderFile } from './groups.ts';

/** How an attempt to make the target file hold the present targets ended. */
export type WriteOutcome =
  | {
      readonly kind: 'written' | 'unchanged';
      readonly discovery: Discovery;
      /** The file's second, which tells its version. */
      readonly seconds: number;
      /** When what is in it was seen in Tsuru, on the clock that only goes forward. */
      readonly seenAtMs: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export interface PublisherOptions {
  readonly state: StateFile;
  readonly file: TargetFile;
  readonly clock: Clock;
  /** Settings may change it; another object is another one. */
  readonly discovery: () => DiscoveryOptions;
  /** Makes what was discovered fit into what this instance can hold; another function is another way. */
  readonly fit: () => (discovery: Discovery) => Discovery;
  readonly onChange: (discovery: Discovery, changes: readonly Change[]) => void;
  /** Called right before the target file is replaced. */
  readonly onReplace: () => void;
  readonly onWrite: (outcome: WriteOutcome) => void;
  readonly onState: (problem: string | undefined) => void;
}

/** Brings what is known of the apps to disk: discovers the targets, saves the state, writes the target file. */
export interface Publisher {
  /**
   * Resolves when this, or what came after it, is on disk or could not be written; it never rejects. `seenAtMs` is when it was seen in
   * Tsuru, on the clock that only goes forward.
   */
  readonly publish: (known: KnownApps, seenAtMs: number) => Promise<void>;
  /** Publishes what was published last once more, as how it is discovered has changed. */
  readonly publishAgain: () => Promise<void>;
  /** Why apps that will be missing from the next publish are gone. */
  readonly explain: (gone: ReadonlyMap<string, string>) => void;
  /** The present targets; undefined before the first publish. */
  current(): Discovery | undefined;
  /** Whether the present targets, or older ones, are in the target file. */
  readonly isOnDisk: () => boolean;
  /** When targets last changed, on the clock that only goes forward. */
  readonly changedAtMs: () => number | undefined;
  /** Whether the last write failed, so that the next poll tries again. */
  readonly writePending: () => boolean;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { state, file, clock, onChange, onReplace, onWrite, onState } = options;
  let discovered: Discovered = new WeakMap();
  let discoveredWith: DiscoveryOptions | undefined;
  let fittedWith: unknown;
  let latest: { known: KnownApps; seenAtMs: number } | undefined;
  let published: { known: KnownApps; discovery: Discovery; text: string } | undefined;
  let working: Promise<void> | undefined;
  let gone = new Map<string, string>();
  let changedAtMs: number | undefined;
  let pending = false;
  let onDisk = false;

  /** One at a time; of what comes meanwhile, only the newest counts. */
  async function work(): Promise<void> {
    try {
      while (latest !== undefined) {
        const { known, seenAtMs } = latest;
        latest = undefined;
        await publishOne(known, seenAtMs);
      }
    } finally {
      working = undefined;
    }
  }

  async function publishOne(known: KnownApps, seenAtMs: number): Promise<void> {
    try {
      const { discovery, text } = prepare(known);
      // The state first: should this be cut off in between, a restart writes the newer targets from the newer state.
      onState(await state.save(known).then(() => undefined, errorText));
      const { written, seconds } = await file.write(text, onReplace);
      pending = false;
      onDisk = true;
      onWrite({ kind: written ? 'written' : 'unchanged', discovery, seconds, seenAtMs });
    } catch (error) {
      pending = true;
      onWrite({ kind: 'failed', reason: errorText(error) });
    }
  }

  function prepare(known: KnownApps): { discovery: Discovery; text: string } {
    const discoverWith = options.discovery();
    const fit = options.fit();
    if (published?.known === known && discoverWith === discoveredWith && fit === fittedWith) return published;
    fittedWith = fit;
    if (discoverWith !== discoveredWith) discovered = new WeakMap();
    discoveredWith = discoverWith;
    const discovery = fit(discover(known, discoverWith, discovered));
    const changes = changesBetween(published?.discovery ?? { apps: [], groups: [] }, discovery, gone);
    // An app that is still there is gone only with a later publish: others may come before.
    const present = new Set(discovery.apps.map(({ known: { app } }) => app.name));
    gone = new Map([...gone].filter(([name]) => present.has(name)));
    if (changes.length > 0) changedAtMs = clock.nowMs();
    published = { known, discovery, text: renderFile(discovery.apps.flatMap(({ texts }) => texts)) };
    onChange(discovery, changes);
    return published;
  }

  function publish(known: KnownApps, seenAtMs: number): Promise<void> {
    latest = { known, seenAtMs };
    working ??= work();
    return working;
  }

  return {
    publish,
    publishAgain: async () => {
      const known = latest?.known ?? published?.known;
      if (known !== undefined) await publish(known, clock.nowMs());
    },
    explain(more) {
      gone = new Map([...gone, ...more]);
    },
    current: () => published?.discovery,
    isOnDisk: () => onDisk,
    changedAtMs: () => changedAtMs,
    writePending: () => pending,
  };
}
