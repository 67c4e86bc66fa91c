/**
 * The proof that Prometheus applied a version of the target file, from what its own `/metrics` tells.
 *
 * What it rests on: `prometheus_sd_file_mtime_seconds` tells in whole seconds which file was read, and each version has a second of its
 * own. Reading is not applying: the targets change at the scrape manager's next sync. So a version is applied
 * - once a sync was counted after the version was seen to be read, or
 * - if the pool has as many targets as this version and as no other that may still be in it.
 */

/** A version of the target file. */
export interface Version {
  /** Its time of change: what tells it from all others. */
  readonly seconds: number;
  readonly targets: number;
}

/** What Prometheus told at one moment; undefined is what it did not tell. */
export interface Observation {
  /** Of the target file as last read. */
  readonly mtimeSeconds: number | undefined;
  /** How often the pool's targets were brought up to date. */
  readonly syncs: number | undefined;
  readonly poolTargets: number | undefined;
  /** When Prometheus started: another start, other counters. */
  readonly startSeconds: number | undefined;
}

/** How far a version has come. */
export type Progress = 'not_read' | 'read' | 'applied';

export interface Proof {
  readonly version: Version;
  /** How many targets the pool may have while it does not have this version's. */
  readonly otherCounts: ReadonlySet<number>;
  readonly progress: Progress;
  readonly startSeconds?: number;
  /** The syncs counted when the version was first seen to be read. */
  readonly syncsAtRead?: number;
}

/** Begins the proof of a version that was written after another, or as the first. A pool begins with no targets. */
export function beginProof(version: Version, before: Proof | undefined): Proof {
  const counts = before === undefined ? [0] : [before.version.targets, ...before.otherCounts];
  const startSeconds = before?.startSeconds;
  return {
    version,
    otherCounts: new Set(counts),
    progress: 'not_read',
    ...(startSeconds === undefined ? {} : { startSeconds }),
  };
}

/** The proof after another observation. It can also fall back: Prometheus was restarted, or reads another file. */
export function observe(proof: Proof, { mtimeSeconds, syncs = 0, poolTargets, startSeconds }: Observation): Proof {
  const isSame = startSeconds === undefined || proof.startSeconds === undefined || startSeconds === proof.startSeconds;
  const next: Proof = {
    version: proof.version,
    // A pool begins with no targets, so after a restart that is one of the counts that prove nothing.
    otherCounts: isSame ? proof.otherCounts : new Set([...proof.otherCounts, 0]),
    progress: 'not_read',
    ...(startSeconds === undefined ? {} : { startSeconds }),
  };
  // Prometheus forgets the time of a file that has become shorter until it next reads it, so none says nothing.
  if (mtimeSeconds !== undefined && mtimeSeconds !== proof.version.seconds) return next;

  const hasItsCount = poolTargets === proof.version.targets;
  const isOnlyIts = hasItsCount && !next.otherCounts.has(proof.version.targets);
  const stays = isSame && proof.progress === 'applied' && hasItsCount;
  if (stays || isOnlyIts) return applied(next);
  if (mtimeSeconds === undefined) return next;
  const syncsAtRead = (isSame ? proof.syncsAtRead : undefined) ?? syncs;
  const read: Proof = { ...next, syncsAtRead, progress: 'read' };
  return syncs > syncsAtRead ? applied(read) : read;
}

/** The proof of a version that is in the pool, and so no other is. */
export function applied(proof: Proof): Proof {
  return { ...proof, otherCounts: new Set(), progress: 'applied' };
}
