/** Chance that a seed repeats. */
export interface Random {
  /** A whole number, both ends included. */
  int(least: number, most: number): number;
  chance(probability: number): boolean;
  /** One of some things; there must be one, and none is undefined. */
  pick<T>(items: readonly T[]): T;
  /** One of some things, each as likely as its weight says. */
  weighted<T extends { readonly weight: number }>(items: readonly T[]): T;
}

/** The same seed and the same words give the same numbers; other words give others, however many were drawn with these. */
export function createRandom(seed: number, ...words: readonly (string | number)[]): Random {
  let state = hashOf([seed, ...words].join('/'));

  /** Mulberry32: from 0 to below 1. */
  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const int = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));

  return {
    int,
    chance: (probability) => next() < probability,
    pick<T>(items: readonly T[]): T {
      const item = items[int(0, items.length - 1)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
      let left = next() * items.reduce((sum, { weight }) => sum + weight, 0);
      for (const item of items) {
        left -= item.weight;
        if (left < 0) return item;
      }
      throw new Error('there is nothing to pick from');
    },
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}
