import type { KnownApps } from '../discovery/known-apps.ts';
import type { Clock } from '../shared/clock.ts';
import { changesBetween, type Change } from '../discovery/changes.ts';
import type { Discovery } from '../discovery/discover.ts';
import { errorText } from '../shared/text.ts';
import type { StateFile } from '../tsuru/state.ts';
import type { TargetFile } from './target-file.ts';
import { renderFile, type TargetGroup } from '../discovery/target-group.ts';

/** How an attempt to make the target file hold the present targets ended. */
export type WriteOutcome =
  | {
      readonly kind: 'written' | 'unchanged';
      readonly discovery: Discovery;
      /** The file's modification time in seconds, which identifies its version. */
      readonly seconds: number;
      /** When what is in it was seen in Tsuru, on the clock that only goes forward. */
      readonly seenAtMs: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

/** Where its events go. */
export type PublisherEvent =
  | { readonly kind: 'targets'; readonly discovery: Discovery; readonly changes: readonly Change[] }
  | { readonly kind: 'write'; readonly outcome: WriteOutcome }
  /** The state was saved, or why not. */
  | { readonly kind: 'state'; readonly problem: string | undefined };

/** Called for writes of the target file, to prove that Prometheus takes them. */
export interface Writing {
  /** The target file is about to be replaced: from now on nothing is proven. */
  readonly replacing: () => void;
  readonly written: (version: {
    readonly seconds: number;
    readonly groups: readonly TargetGroup[];
    readonly seenAtMs: number;
  }) => void;
  /** The file was not replaced after all, so what was proven may be again. */
  readonly lookAgain: () => void;
}

export interface PublisherOptions {
  readonly state: StateFile;
  readonly file: TargetFile;
  readonly clock: Clock;
  /** Told of each write, to prove that Prometheus takes it. */
  readonly proof: Writing;
  readonly report: (event: PublisherEvent) => void;
}

/** What is to be on disk. */
export interface Publication {
  readonly known: KnownApps;
  readonly discovery: Discovery;
  /** When it was seen in Tsuru, on the clock that only goes forward. */
  readonly seenAtMs: number;
  /** False for what is restored from disk: its targets are not reported as changes. */
  readonly isNews: boolean;
}

/** Brings targets to disk: saves the state they come from, and writes the target file. */
export interface Publisher {
  /** Takes what is to be on disk; of what comes while another is written, only the newest counts. It never blocks. */
  readonly want: (publication: Publication) => void;
  /** Has the target file put in place again as it is. It never blocks, and a failure changes nothing. */
  readonly putAgain: () => void;
  /** Resolves when what is wanted is on disk or could not be written; it never rejects. */
  readonly settled: () => Promise<void>;
  /** Why apps are gone that will be missing from what is wanted. */
  readonly explain: (gone: ReadonlyMap<string, string>) => void;
  /** The targets that were wanted last; undefined before. */
  current(): Discovery | undefined;
  /** Whether the present targets, or older ones, are in the target file. */
  readonly isOnDisk: () => boolean;
  /** When targets last changed, on the clock that only goes forward. */
  readonly changedAtMs: () => number | undefined;
  /** Whether the last write failed, so that the next poll tries again. */
  readonly writePending: () => boolean;
}

export function createPublisher({ state, file, clock, proof, report }: PublisherOptions): Publisher {
  let latest: Publication | undefined;
  let published: { readonly discovery: Discovery; readonly text: string } | undefined;
  let working: Promise<void> | undefined;
  let gone: ReadonlyMap<string, string> = new Map();
  let changedAtMs: number | undefined;
  let pending = false;
  let isToBePutAgain = false;
  let onDisk = false;

  /** One at a time. */
  async function work(): Promise<void> {
    try {
      while (latest !== undefined || isToBePutAgain) {
        const next = latest;
        latest = undefined;
        isToBePutAgain = false;
        if (next === undefined) await file.putAgain().catch(() => undefined);
        else await publish(next);
      }
    } finally {
      working = undefined;
    }
  }

  async function publish({ known, discovery, seenAtMs, isNews }: Publication): Promise<void> {
    try {
      const text = render(discovery, isNews);
      // The state first: should this be cut off in between, a restart writes the newer targets from the newer state.
      report({ kind: 'state', problem: await state.save(known).then(() => undefined, errorText) });
      const { written, seconds } = await file.write(text, proof.replacing);
      pending = false;
      onDisk = true;
      report({ kind: 'write', outcome: { kind: written ? 'written' : 'unchanged', discovery, seconds, seenAtMs } });
      proof.written({ seconds, seenAtMs, groups: discovery.groups });
    } catch (error) {
      pending = true;
      report({ kind: 'write', outcome: { kind: 'failed', reason: errorText(error) } });
      proof.lookAgain();
    }
  }

  function render(discovery: Discovery, isNews: boolean): string {
    if (published?.discovery === discovery) return published.text;
    const changes = changesBetween(published?.discovery ?? { apps: [], groups: [] }, discovery, gone);
    // An app that is still there is gone only with a later one: others may come before.
    const present = new Set(discovery.apps.map(({ known: { app } }) => app.name));
    gone = new Map([...gone].filter(([name]) => present.has(name)));
    if (changes.length > 0) changedAtMs = clock.nowMs();
    published = { discovery, text: renderFile(discovery.apps.flatMap(({ texts }) => texts)) };
    report({ kind: 'targets', discovery, changes: isNews ? changes : [] });
    return published.text;
  }

  return {
    want(publication) {
      latest = publication;
      working ??= work();
    },
    putAgain() {
      isToBePutAgain = true;
      working ??= work();
    },
    settled: () => working ?? Promise.resolve(),
    explain(more) {
      gone = new Map([...gone, ...more]);
    },
    current: () => published?.discovery,
    isOnDisk: () => onDisk,
    changedAtMs: () => changedAtMs,
    writePending: () => pending,
  };
}
