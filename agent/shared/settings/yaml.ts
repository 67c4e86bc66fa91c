import { EVENT_ID, getScalarValue, parseEvents, SCALAR_STYLE, YAMLException, type Event } from 'js-yaml';
import { DEEPEST, MOST_NODES, type MapNode, type Node } from './node.ts';

export type YamlResult =
  | { readonly ok: true; readonly node: Node }
  /** A part of a sentence, such as `a missing comma (line 3)`; nothing of the text is in it, as that may hold a secret. */
  | { readonly ok: false; readonly reason: string };

/** What a plain scalar of YAML is that stands for nothing. */
const NOTHING = ['', '~', 'null', 'Null', 'NULL'];
/** The key that merges other maps into its own (yaml.org/type/merge.html). */
const MERGE_KEY = '<<';

/**
 * Reads one YAML (or JSON) document. Every scalar stays the text it was written as: `1.20` is no number and `yes` no boolean. It is made from
 * js-yaml's events, because its loaded values know neither their text nor their line.
 */
export function readYaml(text: string): YamlResult {
  try {
    return { ok: true, node: build(text, parseEvents(text, { maxDepth: DEEPEST })) };
  } catch (error) {
    if (error instanceof YAMLException) {
      // What a reason quotes is the user's text.
      const words = error.reason.split(/["\n]|: /)[0]?.trim() ?? '';
      const line = error.mark === undefined ? '' : ` (line ${error.mark.line + 1})`;
      return { ok: false, reason: `${words.slice(0, 100)}${line}` };
    }
    if (error instanceof NotUsable) return { ok: false, reason: error.message };
    throw error;
  }
}

class NotUsable extends Error {
  override readonly name = 'NotUsable';
}

/** A key, a value or an item, in the order of the text. */
interface Part {
  readonly node: Node;
  readonly isMergeKey: boolean;
}

interface Built {
  readonly node: Node;
  /** Of all nodes in it. */
  readonly size: number;
}

/** The one document's value from its events. Aliases are followed, as long as what they stand for stays small. */
function build(text: string, events: readonly Event[]): Node {
  const lineOf = lines(text);
  const anchors = new Map<string, Built>();
  let position = 0;
  let total = 0;

  function counted(size: number, line: number | undefined): void {
    total += size;
    if (total > MOST_NODES) throw new NotUsable(`too many values${at(line)}`);
  }

  function next(): Built | undefined {
    const event = events[position++];
    if (event === undefined || event.type === EVENT_ID.POP || event.type === EVENT_ID.DOCUMENT) return undefined;
    const line = lineOf(startOf(event));
    if (event.type === EVENT_ID.ALIAS) {
      const meant = anchors.get(text.slice(event.anchorStart, event.anchorEnd));
      if (meant === undefined) throw new NotUsable(`an alias without its anchor before it${at(line)}`);
      counted(meant.size, line);
      return meant;
    }
    const before = total;
    counted(1, line);
    const node = content(event, line);
    const built = { node, size: total - before };
    if (event.anchorStart >= 0) anchors.set(text.slice(event.anchorStart, event.anchorEnd), built);
    return built;
  }

  function content(
    event: Exclude<Event, { type: typeof EVENT_ID.ALIAS | typeof EVENT_ID.POP | typeof EVENT_ID.DOCUMENT }>,
    line: number | undefined,
  ): Node {
    const where = line === undefined ? {} : { line };
    if (event.type === EVENT_ID.SCALAR) {
      const value = event.valueStart < 0 ? '' : getScalarValue(text, event);
      const nothing = event.style === SCALAR_STYLE.PLAIN && event.tagStart < 0 && NOTHING.includes(value);
      return { kind: 'scalar', type: nothing ? 'null' : 'text', text: nothing ? 'null' : value, ...where };
    }
    const parts: Part[] = [];
    for (;;) {
      const isMergeKey = isMerge(events[position]);
      const part = next();
      if (part === undefined) break;
      parts.push({ node: part.node, isMergeKey });
    }
    if (event.type === EVENT_ID.SEQUENCE) return { kind: 'list', items: parts.map(({ node }) => node), ...where };
    return { kind: 'map', entries: pairs(parts), ...where };
  }

  /** Only a plain `<<` is a merge key: a quoted one is a key like any other. */
  function isMerge(event: Event | undefined): boolean {
    if (event?.type !== EVENT_ID.SCALAR || event.style !== SCALAR_STYLE.PLAIN || event.valueStart < 0) return false;
    return event.tagStart < 0 && getScalarValue(text, event) === MERGE_KEY;
  }

  const documents = events.filter(({ type }) => type === EVENT_ID.DOCUMENT).length;
  if (documents > 1) throw new NotUsable('more than one document (separated by ---)');
  position = documents;
  return next()?.node ?? { kind: 'scalar', type: 'null', text: 'null' };
}

/** Keys and values in turn as the entries of a map: its own first, then those merged into it that it does not have. */
function pairs(parts: readonly Part[]): MapNode['entries'] {
  const entries: [string, Node][] = [];
  const merged: (readonly [string, Node])[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const [key, value] = parts.slice(index, index + 2);
    if (key === undefined || value === undefined) break;
    if (key.isMergeKey) merged.push(...mergedEntries(value.node, key.node.line));
    else if (key.node.kind === 'scalar') entries.push([key.node.text, value.node]);
    else throw new NotUsable(`a key that is a ${key.node.kind}${at(key.node.line)}`);
  }
  const own = new Set(entries.map(([key]) => key));
  // A map has each merged key once: that of the first map which has it (yaml.org/type/merge.html).
  const missing = new Map(merged.toReversed().filter(([key]) => !own.has(key)));
  return [...entries, ...missing];
}

/** What `<<` brings in: the entries of a map, or of each map of a list. */
function mergedEntries(node: Node, line: number | undefined): MapNode['entries'] {
  const maps = node.kind === 'list' ? node.items : [node];
  return maps.flatMap((map) => {
    if (map.kind === 'map') return map.entries;
    throw new NotUsable(`a merge key (<<) whose value is neither a map nor a list of maps${at(line)}`);
  });
}

function startOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) return Math.max(event.valueStart, event.tagStart, event.anchorStart);
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart;
  return 'start' in event ? event.start : -1;
}

function at(line: number | undefined): string {
  return line === undefined ? '' : ` (line ${line})`;
}

/** From a place in the text to its line, counted from 1. The places must come in order. A text of one line needs none. */
function lines(text: string): (offset: number) => number | undefined {
  if (!text.trim().includes('\n')) return () => undefined;
  let line = 1;
  let seen = 0;
  return (offset) => {
    if (offset < 0) return line;
    for (; seen < offset; seen++) if (text[seen] === '\n') line++;
    return line;
  };
}
