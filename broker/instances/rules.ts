import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import PQueue from 'p-queue';
import type { Log } from '../../agent/shared/log.ts';
import { createPromtool, type Check } from '../../agent/shared/promtool.ts';
import { errorText, shortLine } from '../../agent/shared/text.ts';
import { ParametersRefused } from '../errors.ts';

/** A user waits for the answer; without one in time the agent's own check decides. */
const LIMIT_MS = 10_000;
/** In characters: the first failures. The rest often follows from them. */
const LONGEST_VERDICT = 500;
/** promtool takes a core and some 50 MB while it checks. */
const MOST_AT_ONCE = 2;

/**
 * Has promtool judge the rules that a user gives, so that the user reads its words at once. Without promtool's verdict the rules pass: the agent
 * checks them before it loads them.
 * @throws {ParametersRefused} when promtool refuses them.
 */
export type AssertRules = (rules: string | undefined, signal: AbortSignal) => Promise<void>;

/** `path` is the PATH on which promtool is found. */
export function createAssertRules(path: string, log: Log): AssertRules {
  const promtool = createPromtool({ PATH: path });
  const queue = new PQueue({ concurrency: MOST_AT_ONCE });

  async function check(rules: string, signal: AbortSignal, stopping: AbortSignal): Promise<Check> {
    let folder: string | undefined;
    try {
      folder = await mkdtemp(join(tmpdir(), 'rules-'));
      // Named as the parameter: promtool's message begin with the name.
      const file = join(folder, 'rules');
      await writeFile(file, rules, { mode: 0o600 });
      return await promtool('rules', file, signal);
    } catch (error) {
      // The request was aborted: no caller waits for the verdict.
      stopping.throwIfAborted();
      return { kind: 'failed', text: errorText(error) };
    } finally {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  return async (rules, signal) => {
    if (rules === undefined) return;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    const verdict = await queue.add(() => check(rules, limited, signal));
    if (verdict.kind === 'failed')
      log.warn({ reason: verdict.text }, 'promtool did not check the rules: the instance does before it loads them');
    if (verdict.kind === 'refused') {
      throw new ParametersRefused(
        `rules cannot be used: ${shortLine(verdict.text.replaceAll(/(^|; )rules: /g, '$1'), LONGEST_VERDICT)}. Correct them, and give the parameter again.`,
        ['rules'],
      );
    }
  };
}
