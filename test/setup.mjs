// Makes a fresh clone on a fresh machine ready, and is the one file that may run before `npm ci` has: Node 20, no dependency.
//   node test/setup.mjs               the npm packages (with the Node 24 that the scripts then run on)
//   node test/setup.mjs prometheus    and Prometheus with its promtool
//   node test/setup.mjs stores        and the servers that tests have an instance send to: VictoriaMetrics, Alertmanager
//   node test/setup.mjs browser       and Chromium, in which tests look at the status page
//   node test/setup.mjs image         and what builds and runs the image without Docker
// Words may be combined.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Longest wait for another apt or dpkg to finish, in seconds: a new machine updates itself after its first start. */
const APT_LOCK_SECONDS = 120;

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** Runs a command quietly; only one that fails shows what it printed. */
function run(command, args, env = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: status === 0, output: error ? error.message : `${stdout}${stderr}`.trim() };
}

function onPath(program) {
  return (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** npm writes its own lock file into node_modules last of all, so it tells a whole install from a broken-off or an old one. */
function packagesAreInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  return (
    existsSync(installed) &&
    existsSync(join(root, 'node_modules', '.bin', 'node')) &&
    statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
  );
}

function installPackages() {
  if (packagesAreInstalled()) return;
  console.error('Installing the npm packages (npm ci) ...');
  // Errors only: npm would warn that some packages need a newer Node than the one it runs on, but the newer one is among them.
  const { ok, output } = run('npm', ['ci', '--loglevel=error']);
  if (!ok)
    fail(`${output}\nThe npm packages could not be installed: see npm's words above, then run "npm ci" yourself.`);
}

/** Installs Debian's packages, or ends with what to do by hand. */
function installDebian(what, packages, programs, otherwise) {
  const areThere = () => programs.every(onPath);
  if (areThere()) return;
  if (!onPath('apt-get') || process.getuid?.() !== 0) {
    const how = onPath('apt-get') ? `install it with "sudo apt-get install ${packages.join(' ')}"` : otherwise;
    fail(`${what} is missing: ${how}, then run this again.`);
  }
  console.error(`Installing ${what} (apt-get install ${packages.join(' ')}) ...`);
  const apt = ['-o', `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`, '-qq', '-y', '--no-install-recommends'];
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  const update = run('apt-get', [...apt, 'update'], quiet);
  const install = run('apt-get', [...apt, 'install', ...packages], quiet);
  if (!install.ok || !areThere()) {
    fail(
      `${update.output}\n${install.output}\n${what} could not be installed: see apt-get's words above, then run "apt-get install ${packages.join(' ')}" yourself.`,
    );
  }
}

function installPrometheus() {
  const otherwise =
    'put "prometheus" and "promtool" (2.42 or newer, from prometheus.io/download or your package manager) on your PATH';
  installDebian('Prometheus', ['prometheus'], ['prometheus', 'promtool'], otherwise);
}

function installStores() {
  const otherwise =
    'put "victoria-metrics" (1.79 or newer) and "prometheus-alertmanager" (0.25 or newer) on your PATH by these names';
  const programs = ['victoria-metrics', 'prometheus-alertmanager'];
  installDebian('What an instance sends to in tests', programs, programs, otherwise);
}

function installBrowser() {
  installDebian('Chromium', ['chromium'], ['chromium'], 'put "chromium" on your PATH');
}

function installImageTools() {
  const packages = ['buildah', 'podman', 'runc', 'mmdebstrap'];
  installDebian(
    'What builds the image',
    packages,
    packages,
    `run this on Debian 12, or install ${packages.join(', ')}`,
  );
}

const wanted = process.argv.slice(2);
installPackages();
if (wanted.includes('prometheus')) installPrometheus();
if (wanted.includes('stores')) installStores();
if (wanted.includes('browser')) installBrowser();
if (wanted.includes('image')) installImageTools();
