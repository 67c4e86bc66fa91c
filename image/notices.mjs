// Prints the licences of npm packages, for the image: name, version and licence of each, with the text that it comes with.
//   node image/notices.mjs node_modules
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [folder] = process.argv.slice(2);
const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;

const notices = globSync(['*/package.json', '@*/*/package.json', '**/node_modules/*/package.json'], { cwd: folder })
  .sort()
  .map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, path), 'utf8'));
    const home = join(folder, dirname(path));
    const texts = readdirSync(home)
      .filter((file) => LICENCE_FILE.test(file))
      .sort()
      .map((file) => readFileSync(join(home, file), 'utf8').trim());
    if (typeof license !== 'string' && texts.length === 0) throw new Error(`${name}@${version} names no licence`);
    return [`${name} ${version}: ${license ?? 'see below'}`, ...texts].join('\n\n');
  });
if (notices.length === 0) throw new Error(`there are no packages in ${folder}`);
console.log(notices.join(`\n\n${'-'.repeat(80)}\n\n`));
