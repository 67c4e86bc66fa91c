import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SoakFault } from './fault.ts';
import type { Scene } from './scene.ts';

/** How long Prometheus may be without targets that somebody took out of the file: it is written again with the next poll. */
const WITHOUT_FILE_MS = 20_000;
/** Without the folder: before 3.12 Prometheus finds a new one when it looks anyway, every 30 s; later ones when the agent revives its discovery. */
const WITHOUT_FOLDER_MS = 80_000;

const GOOD_RULES = 'groups: [{ name: soak, rules: [{ record: up_copy, expr: up }] }]\n';
const OTHER_RULES = 'groups: [{ name: soak, rules: [{ record: up_sum, expr: sum(up) }] }]\n';
const BROKEN_RULES = ['groups: [{ name: soak, rules: [{ record: x, expr: sum( }] }]\n', 'groups: 7\n', '{', '\t- '];

/** The files of the agent, and what somebody may do to them. */
function targetsFile({ stage }: Scene): string {
  return join(stage.agentFolder, 'targets', 'apps.json');
}

const nothing = (): Promise<void> => Promise.resolve();

/** Somebody meddles with the agent's files. */
export const FILE_FAULTS: readonly SoakFault[] = [
  {
    kind: 'target file removed',
    weight: 2,
    loses: true,
    async begin(scene) {
      scene.guard.suspend()({ ms: WITHOUT_FILE_MS, endsWhenBack: false });
      await rm(targetsFile(scene), { force: true });
      return { text: 'removed', end: nothing };
    },
  },
  {
    kind: 'target file emptied',
    weight: 1,
    loses: true,
    async begin(scene, random) {
      const text = random.pick(['[]', '[{"targets":["127.0.0.1:1"]}]']);
      scene.guard.suspend()({ ms: WITHOUT_FILE_MS, endsWhenBack: false });
      await writeFile(targetsFile(scene), text);
      return { text: `it has ${text}`, end: nothing };
    },
  },
  {
    // What Prometheus cannot read changes nothing.
    kind: 'target file damaged',
    weight: 2,
    loses: true,
    async begin(scene, random) {
      const path = targetsFile(scene);
      const whole = await readFile(path, 'utf8').catch(() => '');
      const text = random.pick(['garbage', '{', '[7]', whole.slice(0, -10)]);
      await writeFile(path, text);
      return { text: `it has ${JSON.stringify(text.slice(0, 40))}`, end: nothing };
    },
  },
  {
    kind: 'targets folder removed',
    weight: 1,
    loses: true,
    async begin(scene) {
      scene.guard.suspend()({ ms: WITHOUT_FOLDER_MS, endsWhenBack: false });
      await rm(dirname(targetsFile(scene)), { recursive: true, force: true });
      return { text: 'removed', end: nothing };
    },
  },
  {
    kind: 'state file removed',
    weight: 1,
    loses: true,
    async begin({ stage }) {
      await rm(join(stage.agentFolder, 'state.json'), { force: true });
      return { text: 'removed', end: nothing };
    },
  },
  {
    kind: 'state file damaged',
    weight: 1,
    loses: true,
    async begin({ stage }) {
      await writeFile(join(stage.agentFolder, 'state.json'), 'garbage');
      return { text: 'it has "garbage"', end: nothing };
    },
  },
  {
    kind: 'rules broken',
    weight: 2,
    async begin({ stage }, random) {
      const { world } = stage;
      const broken = random.pick(BROKEN_RULES);
      const mended = random.pick([null, GOOD_RULES, OTHER_RULES]);
      await world.writeRule('soak.yml', broken);
      return {
        text: JSON.stringify(broken),
        async end() {
          if (mended === null) await rm(join(stage.agentFolder, 'rules', 'soak.yml'), { force: true });
          else await world.writeRule('soak.yml', mended);
        },
      };
    },
  },
  {
    kind: 'rules folder removed',
    weight: 1,
    async begin({ stage }) {
      const folder = join(stage.agentFolder, 'rules');
      await rm(folder, { recursive: true, force: true });
      return {
        text: 'removed',
        async end() {
          await mkdir(folder, { recursive: true });
        },
      };
    },
  },
];
