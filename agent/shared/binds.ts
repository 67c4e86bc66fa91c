import { isObject } from './shape.ts';

/**
 * The annotation of an instance's app that says which binds the broker has confirmed: a JSON object of each bound app's name and the team
 * that owned it then, such as `{"pay":"shop"}`.
 */
export const BINDS_ANNOTATION = 'prometheus-service/binds';

/** The team of each app by its name; undefined when the text is no such object. */
export function parseBinds(text: string): ReadonlyMap<string, string> | undefined {
  try {
    const teams: unknown = JSON.parse(text);
    if (!isObject(teams)) return undefined;
    const pairs = Object.entries(teams);
    return pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string') ? new Map(pairs) : undefined;
  } catch {
    return undefined;
  }
}
