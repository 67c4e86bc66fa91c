import type { Guard } from './guard.ts';
import type { Stage } from './stage.ts';

/** What steps and faults work with during one batch. */
export interface Scene {
  readonly stage: Stage;
  readonly guard: Guard;
  /** Details were changed that the agent asks for only every 10 minutes: it has to be told to ask. */
  detailsChanged: boolean;
  /** Resolves once Tsuru listens. */
  tsuruListens: Promise<unknown>;
  /** Resolves once the step under way has ended: Tsuru must not go while one is. */
  stepEnded: Promise<unknown>;
}

export function createScene(stage: Stage, guard: Guard): Scene {
  return {
    stage,
    guard,
    detailsChanged: false,
    tsuruListens: Promise.resolve(),
    stepEnded: Promise.resolve(),
  };
}
