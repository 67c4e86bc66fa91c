import type { Change, Target } from './events.ts';
import { goQuote } from './go.ts';

/** Refuses kinds of events, as an administrator does during maintenance. */
export interface EventBlock {
  readonly id: string;
  readonly startTime: Date;
  /** Undefined while it is active. */
  endTime: Date | undefined;
  /** '': all; a kind's name covers those that begin with it. */
  readonly kindName: string;
  /** '': everybody. */
  readonly ownerName: string;
  /** With an empty type: all; with an empty value: all of the type. */
  readonly target: Target;
  readonly reason: string;
}

/** What events of blocks themselves are about: they are never blocked. */
export const BLOCK_TARGET = 'event-block';

/** Why a change is refused; undefined when it is not. */
export function blockedBy(blocks: readonly EventBlock[], change: Change): string | undefined {
  const { kind, owner, target } = change;
  if (target.type === BLOCK_TARGET) return undefined;
  const block = blocks.find(
    (candidate) =>
      candidate.endTime === undefined &&
      kind.startsWith(candidate.kindName) &&
      ['', owner.name].includes(candidate.ownerName) &&
      ['', target.type].includes(candidate.target.type) &&
      ['', target.value].includes(candidate.target.value),
  );
  if (block === undefined) return undefined;
  return `error running ${goQuote(kind)} on ${target.type}(${target.value}): ${blockText(block)}`;
}

function blockText({ kindName, ownerName, target, reason }: EventBlock): string {
  const kind = kindName === '' ? 'all actions' : kindName;
  const owner = ownerName === '' ? 'all users' : ownerName;
  const targets = target.type === '' ? 'all targets' : `${target.type}(${target.value})`;
  return `block ${kind} by ${owner} on ${targets}: ${reason}`;
}
