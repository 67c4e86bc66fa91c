import type { Random } from './random.ts';
import type { Scene } from './scene.ts';

/** Something that goes wrong for a while. */
export interface SoakFault {
  readonly kind: string;
  /** How often it happens, compared to others. */
  readonly weight: number;
  /** Takes something away that is kept in two places: both at once would be one loss too many. */
  readonly loses?: boolean;
  /** Ends the agent's life. */
  readonly endsAgent?: boolean;
  /** Begins it, and tells what is wrong and how to end that; undefined when it cannot happen now. */
  readonly begin: (scene: Scene, random: Random) => Promise<BegunFault | undefined>;
}

interface BegunFault {
  readonly text: string;
  readonly end: () => Promise<void>;
}
