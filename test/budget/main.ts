// Runs the cases given as JSON lines on stdin, one after the other, and prints a JSON line for each: the case and what came of it.
import { createInterface } from 'node:readline';
import { runCase, type Case } from './run.ts';

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const test = JSON.parse(line) as Case;
  const outcome = await runCase(test);
  process.stdout.write(`${JSON.stringify({ ...test, ...outcome })}\n`);
}
process.exit(0);
