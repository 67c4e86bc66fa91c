/** The items of a list in random order. */
export function shuffled<T>(list: readonly T[], random: () => number = Math.random): T[] {
  const items = [...list];
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other] as T, items[last] as T];
  }
  return items;
}

/** JSON with every list in it in random order. */
export function shuffledDeep(value: unknown, random: () => number = Math.random): unknown {
  if (Array.isArray(value))
    return shuffled(
      value.map((item: unknown) => shuffledDeep(item, random)),
      random,
    );
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shuffledDeep(item, random)]));
}
