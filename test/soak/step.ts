import type { Random } from './random.ts';
import type { Scene } from './scene.ts';

/** Something that people do to their apps, or that happens to units. */
export interface Step {
  readonly kind: string;
  /** How often it is taken, compared to others. */
  readonly weight: number;
  /** It takes no request, so that it also happens while Tsuru does not listen. */
  readonly behindTsuru?: boolean;
  /** Takes it, and tells what was done; undefined when there is nothing to do it to. */
  readonly take: (scene: Scene, random: Random) => Promise<string | undefined>;
}

/** Apps are few and small, so that the world does not grow: what grows then is the agent. */
export const APP_NAMES = ['shop-1', 'shop-2', 'shop-3', 'shop-4', 'shop-5', 'shop-6'] as const;
export const MOST_UNITS_PER_APP = 8;

/** An app that is there. */
export function anApp({ stage }: Scene, random: Random): string | undefined {
  return stage.apps.size === 0 ? undefined : random.pick([...stage.apps.keys()]);
}
