import { shortLine } from '../text.ts';
import type { Node } from './node.ts';

/** What a person reads at once; the rest comes after these are repaired. */
const MOST_PROBLEMS = 20;
/** Longer is no sentence: what would be is cut. */
const LONGEST_PROBLEM = 400;
const LONGEST_SHOWN = 60;

/** Where in the settings something is, and how to say what is wrong there. */
export interface Place {
  readonly path: string;
  /** Notes a problem: the place's path, the value where it may be told, its line where it has one, and these words. */
  say(words: string, node?: Node, value?: string): void;
  /** A place within this one: its path is this one's with the step added. */
  at(step: string): Place;
}

export interface Problems {
  place(path: string): Place;
  /** A whole sentence. */
  add(sentence: string): void;
  count(): number;
  /** What is there to be read: bounded in number and length. */
  list(): readonly string[];
}

export function createProblems(): Problems {
  const sentences: string[] = [];
  let more = 0;

  function add(sentence: string): void {
    if (sentences.length < MOST_PROBLEMS) sentences.push(shortLine(sentence, LONGEST_PROBLEM));
    else more++;
  }

  function place(path: string): Place {
    return {
      path,
      say: (words, node, value) => {
        const told = value === undefined ? '' : `=${shown(value)}`;
        add(`${path}${told}${node?.line === undefined ? '' : ` (line ${node.line})`} ${words}`);
      },
      at: (step) => place(`${path}${step}`),
    };
  }

  return {
    place,
    add,
    count: () => sentences.length + more,
    list: () => (more > 0 ? [...sentences, `${more} more problems are not shown.`] : [...sentences]),
  };
}

/**
 * What a user wrote, as a sentence can show it: short, on one line, and nothing at all where it may hold a secret, as an address does
 * with the user in front of its @.
 */
export function shown(text: string): string {
  return /@|:\/\//.test(text) ? '…' : shortLine(text, LONGEST_SHOWN);
}
