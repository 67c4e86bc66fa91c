import { listNames, shortLine } from '../../agent/shared/text.ts';

/** Since when a problem of the agent's lasts; seconds are of no use where room is short. */
const SINCE = / \(since ([\d-]+T\d\d:\d\d)[\d:.]*Z\)$/;

/** A problem in at most this many characters, which keeps since when it lasts. */
export function shortProblem(problem: string, most: number): string {
  const since = SINCE.exec(problem);
  if (since === null || problem.length <= most) return shortLine(problem, most);
  const end = ` (since ${since[1] ?? ''}Z)`;
  return `${shortLine(problem.slice(0, since.index), most - end.length)}${end}`;
}

/** The first problems in at most this many characters, so that a long one hides no other. */
export function listProblems(problems: readonly string[], shown: number, most: number): string {
  const whole = listNames(problems, shown, '; ');
  if (whole.length <= most) return whole;
  const rest = whole.length - problems.slice(0, shown).join('').length;
  const share = Math.floor((most - rest) / Math.min(shown, problems.length));
  return listNames(
    problems.map((problem) => shortProblem(problem, share)),
    shown,
    '; ',
  );
}
