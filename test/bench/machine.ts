import { cpus, release, totalmem } from 'node:os';
import { startProgram } from '../support/program.ts';

/** What figures depend on, in a line. */
export async function describeMachine(): Promise<string> {
  const all = cpus();
  const model = all[0]?.model.trim() ?? 'an unknown CPU';
  const memoryGb = Math.round(totalmem() / 1e9);
  const machine = `${all.length} cores of ${model}, ${memoryGb} GB, Linux ${release()}`;
  return `Prometheus ${await prometheusVersion()}, Node ${process.versions.node}, ${machine}`;
}

/** Of the one on the PATH. */
async function prometheusVersion(): Promise<string> {
  const program = startProgram({ command: 'prometheus', args: ['--version'] });
  const end = await program.end;
  if (end !== 0) throw new Error(`"prometheus --version" failed (${end}): Prometheus must be on the PATH`);
  const version = /^prometheus, version (\S+)/.exec(program.lines.join('\n'))?.[1];
  return version ?? '(it does not tell its version)';
}
