import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

let page: Page | undefined;

/** The dashboard as one document that needs nothing else: script, plotter and style are in it. Made by the build. */
export function dashboardPage(): Page {
  page ??= build();
  return page;
}

function build(): Page {
  const read = (name: string): string =>
    readFileSync(new URL(`../dashboard/${name}`, import.meta.url), 'utf8');
  // `</script` in a text of the script would end the element.
  const script = read('browser.js').replaceAll('</script', '<\\/script');
  const uplot = createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css');
  const style = readFileSync(uplot, 'utf8') + read('page.css');
  const html = read('page.html')
    .replace('<!-- style -->', () => `<style>${style}</style>`)
    .replace('<!-- script -->', () => `<script>${script}</script>`);
  return { html, contentSecurityPolicy: policy(style, script) };
}

/** Nothing but itself, and no page around it. */
function policy(style: string, script: string): string {
  return [
    `default-src 'none'`,
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    `img-src data:`,
    `connect-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
