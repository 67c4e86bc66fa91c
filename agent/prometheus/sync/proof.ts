/**
 * The proof that Prometheus applied a version of the target file, from its own `/metrics`.
 *
 * What it rests on: `prometheus_sd_file_mtime_seconds` tells in whole seconds which file was read, and each version has a second of its
 * own. Reading is not applying: the targets change at the scrape manager's next sync, which is counted at its end, after the scrapes of
 * removed targets. So a version is applied
 * - once two syncs were counted after it was seen to be read, as the first may have begun before, or
 * - if the pool has as many targets as this version and as no other that may still be in it.
 */

/** How many syncs after the read prove that one of them began after it. */
const SYNCS_OF_PROOF = 2;

/** A version of the target file. */
export interface Version {
  /** Its modification time, which identifies it. */
  readonly seconds: number;
  readonly targets: number;
}

/** What Prometheus reported at one moment; undefined is what it did not have. */
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
  /** How many targets the pool may have while it does not have this version's; undefined is any number. */
  readonly otherCounts: ReadonlySet<number> | undefined;
  readonly progress: Progress;
  readonly startSeconds?: number;
  /** The syncs counted when the version was first seen to be read. */
  readonly syncsAtRead?: number;
}

/**
 * Begins the proof of a version that was written after another, or as the first: what the pool has then is unknown, unless it is seen
 * without targets.
 */
export function beginProof(version: Version, before: Proof | undefined): Proof {
  const others = before?.otherCounts;
  const startSeconds = before?.startSeconds;
  return {
    version,
    otherCounts:
      before === undefined || others === undefined ? undefined : new Set([before.version.targets, ...others]),
    progress: 'not_read',
    ...(startSeconds === undefined ? {} : { startSeconds }),
  };
}

/** The proof after another observation. It can also fall back: Prometheus was restarted, or reads another file. */
export function observe(proof: Proof, { mtimeSeconds, syncs = 0, poolTargets, startSeconds }: Observation): Proof {
  const isSame = startSeconds === undefined || proof.startSeconds === undefined || startSeconds === proof.startSeconds;
  const next: Proof = {
    version: proof.version,
    otherCounts: otherCountsAfter(proof, isSame, poolTargets),
    progress: 'not_read',
    ...(startSeconds === undefined ? {} : { startSeconds }),
  };
  // Prometheus forgets the time of a file that has become shorter until it next reads it, so none says nothing.
  if (mtimeSeconds !== undefined && mtimeSeconds !== proof.version.seconds) return next;

  const hasItsCount = poolTargets === proof.version.targets;
  const isOnlyIts = hasItsCount && next.otherCounts?.has(proof.version.targets) === false;
  const stays = isSame && proof.progress === 'applied' && hasItsCount;
  if (stays || isOnlyIts) return applied(next);
  if (mtimeSeconds === undefined) return next;
  const syncsAtRead = (isSame ? proof.syncsAtRead : undefined) ?? syncs;
  const read: Proof = { ...next, syncsAtRead, progress: 'read' };
  return syncs >= syncsAtRead + SYNCS_OF_PROOF ? applied(read) : read;
}

/** A pool begins without targets: after a restart that is one of the counts that prove nothing, and before anything is known the only one. */
function otherCountsAfter(
  { otherCounts }: Proof,
  isSame: boolean,
  poolTargets: number | undefined,
): Proof['otherCounts'] {
  if (otherCounts === undefined) return (poolTargets ?? 0) === 0 ? new Set([0]) : undefined;
  return isSame ? otherCounts : new Set([...otherCounts, 0]);
}

/** The proof of a version that is in the pool, and so no other is. */
export function applied(proof: Proof): Proof {
  return { ...proof, otherCounts: new Set(), progress: 'applied' };
}
