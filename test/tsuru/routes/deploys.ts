import { badRequest } from '../errors.ts';
import { messageOf, type Answer, type Call, type Route } from '../http.ts';
import { flag, text } from '../input.ts';
import type { App } from '../state.ts';
import { assertOnApp, findApp, lockApp, teller, type World } from '../world.ts';

/** This many last lines of the app's log are shown with the error of a deploy. */
const ERROR_LINES = 10;

export function deployRoutes(world: World): Route[] {
  return [{ method: 'POST', path: '/apps/:app/deploy', answer: (call) => deploy(world, call) }];
}

/** Goes on when the client hangs up: how it ended is then in its event. */
function deploy(world: World, call: Call): Answer {
  const app = findApp(world, call);
  assertOnApp(call, 'app.deploy.image', app);
  const { tree } = call.body;
  const imageName = text(tree, 'image');
  if (imageName === '') throw badRequest('you must specify either the archive-url, a image url or upload a file.');
  return {
    contentType: 'text',
    run: (output) =>
      lockApp(world, call, { kind: 'app.deploy', app }, output, async (event) => {
        const image = world.images(imageName);
        if (image === undefined) {
          throw new Error(`\n---- ERROR during deploy: ----\nfailed to pull image "${imageName}": not found\n`);
        }
        const say = teller(world, app, event, (message) => message, output);
        app.lastVersion += 1;
        const [first = ''] = Object.keys(image.processes);
        say(`---- Building image ${imageName} ----\n---- Updating units [${first}] ----\n`);
        const replaces = flag(tree, 'new-version') ? [] : app.versions;
        try {
          await world.provisioner.rollOut(app, { number: app.lastVersion, image }, replaces);
        } catch (error) {
          throw new Error(failureText(world, app, messageOf(error)), { cause: error });
        }
        app.deploys += 1;
        say('\n---- Updating router [fake] ----\n\nOK\n');
      }),
  };
}

function failureText({ logs }: World, app: App, reason: string): string {
  const lines = logs(app.name).last(ERROR_LINES, ({ source }) => source !== 'tsuru');
  const shown = lines.map((line) => `    ${line.date.toISOString()}[${line.source}][${line.unit}]: ${line.message}`);
  const log = shown.length === 0 ? '' : `---- Last ${shown.length} log messages: ----\n${shown.join('\n')}\n`;
  return `\n**** ROLLING BACK AFTER FAILURE ****\n\n---- ERROR during deploy: ----\n${reason}\n${log}`;
}
