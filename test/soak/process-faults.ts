import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SoakFault } from './fault.ts';

/** The longest that Prometheus may take after its start to have the targets again: it looks for files every 5 s at first. */
const BACK_AFTER_START_MS = 30_000;

/** What happens to the two programs. */
export const PROCESS_FAULTS: readonly SoakFault[] = [
  {
    kind: 'prometheus restarted',
    weight: 2,
    async begin({ stage, guard }, random) {
      const isKilled = random.chance(0.5);
      const lift = guard.suspend();
      const { program } = stage.prometheus();
      if (isKilled) program.kill('SIGKILL');
      await program.stop();
      return {
        text: isKilled ? 'kill -9' : 'an orderly stop',
        async end() {
          await stage.startPrometheus();
          lift({ ms: BACK_AFTER_START_MS, endsWhenBack: true });
        },
      };
    },
  },
  {
    kind: 'prometheus stands still',
    weight: 2,
    begin({ stage }) {
      const { program } = stage.prometheus();
      program.kill('SIGSTOP');
      return Promise.resolve({
        text: 'SIGSTOP',
        end: () => {
          program.kill('SIGCONT');
          return Promise.resolve();
        },
      });
    },
  },
  {
    kind: 'agent killed',
    weight: 4,
    endsAgent: true,
    async begin({ stage }) {
      const { program } = stage.agent();
      program.kill('SIGKILL');
      await program.end;
      return { text: 'kill -9', end: () => stage.startAgent() };
    },
  },
  {
    kind: 'agent restarted',
    weight: 1,
    endsAgent: true,
    async begin({ stage }) {
      await stage.agent().stop();
      return { text: 'an orderly stop', end: () => stage.startAgent() };
    },
  },
  {
    kind: 'agent killed, its state lost',
    weight: 2,
    endsAgent: true,
    loses: true,
    async begin({ stage }, random) {
      const { program } = stage.agent();
      program.kill('SIGKILL');
      await program.end;
      const state = join(stage.agentFolder, 'state.json');
      const damage = random.pick([null, '', 'garbage', '{"format":1,"sha256":"0"}\n[]\n']);
      if (damage === null) await rm(state, { force: true });
      else await writeFile(state, damage);
      return {
        text: `kill -9, and its state ${damage === null ? 'removed' : `is ${JSON.stringify(damage)}`}`,
        end: () => stage.startAgent(),
      };
    },
  },
  {
    kind: 'agent stands still',
    weight: 2,
    begin({ stage }) {
      const { program } = stage.agent();
      program.kill('SIGSTOP');
      return Promise.resolve({
        text: 'SIGSTOP',
        end: () => {
          program.kill('SIGCONT');
          return Promise.resolve();
        },
      });
    },
  },
];
