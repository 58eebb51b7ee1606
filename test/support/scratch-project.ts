/** A Django project as `django-admin startproject` makes it, with simplejwt as its quick start says, behind nginx. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.js';
import { services } from './services.js';

const PYTHON = '/usr/bin/python3';

export const USER = { name: 'nurse', password: 'nightshift' };

/** Made in `folder`, with its tables and a user who may log in. */
export function makeProject(folder: string, database: string): void {
  mkdirSync(folder);
  const python = (...args: string[]) =>
    execFileSync(PYTHON, args, {
      cwd: folder,
      env: { ...process.env, DJANGO_SUPERUSER_PASSWORD: USER.password, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  python('-m', 'django', 'startproject', 'clinic', folder);
  const { hostname, port, pathname, username, password } = new URL(database);
  const connection = {
    ENGINE: 'django.db.backends.postgresql',
    HOST: hostname,
    PORT: port || '5432',
    NAME: pathname.slice(1),
    USER: decodeURIComponent(username),
    PASSWORD: decodeURIComponent(password),
  };
  const settings = join(folder, 'clinic/settings.py');
  writeFileSync(
    settings,
    `${readFileSync(settings, 'utf8')}
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS += ["rest_framework", "rest_framework_simplejwt.token_blacklist"]
DATABASES = {"default": ${JSON.stringify(connection)}}
SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
`,
  );
  writeFileSync(
    join(folder, 'clinic/urls.py'),
    `from django.urls import path
from rest_framework_simplejwt import views

urlpatterns = [
    path("api/token/", views.TokenObtainPairView.as_view()),
    path("api/token/refresh/", views.TokenRefreshView.as_view()),
    path("api/token/verify/", views.TokenVerifyView.as_view()),
    path("api/token/blacklist/", views.TokenBlacklistView.as_view()),
]
`,
  );
  python('manage.py', 'migrate');
  python('manage.py', 'createsuperuser', '--noinput', '--username', USER.name, '--email', 'n@example.org');
}

export interface Running {
  stop(): Promise<void>;
}

function running(child: ChildProcess): Running {
  const exited = once(child, 'exit');
  return {
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export async function serveProject(folder: string, port: number): Promise<Running> {
  const args = ['-m', 'gunicorn', '--bind', `127.0.0.1:${port}`, '--graceful-timeout', '1', 'clinic.wsgi'];
  const django = running(endWithUs(spawn(PYTHON, args, { cwd: folder, stdio: 'ignore' })));
  await answers(`http://127.0.0.1:${port}/`);
  return django;
}

export interface SiteProxy extends Running {
  /** Of the site's own `server` block, for a text editor. */
  readonly siteFile: string;
  /** For its own command line: `nginx -s reload`. */
  readonly command: string;
}

/** The site's nginx as Debian lays it out, in `folder`: all goes to Django. */
export async function startSiteProxy(folder: string, port: number, django: number): Promise<SiteProxy> {
  for (const name of ['', 'conf.d', 'sites-enabled']) mkdirSync(join(folder, name));
  const siteFile = join(folder, 'sites-enabled/clinic');
  writeFileSync(
    siteFile,
    `server {
    listen 127.0.0.1:${port};
    location / {
        proxy_pass http://127.0.0.1:${django};
        proxy_set_header Host $http_host;
    }
}
`,
  );
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  // As root it would give its directories to nobody.
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  include ${folder}/conf.d/*.conf;
  include ${folder}/sites-enabled/*;
}
`,
  );
  const options = ['-p', folder, '-c', join(folder, 'nginx.conf')];
  const child = spawn(services().nginx!, options, { stdio: 'ignore' });
  // Its workers outlive one that is killed, and a reload wants workers.
  process.once('exit', () => child.kill('SIGTERM'));
  const nginx = running(child);
  await answers(`http://127.0.0.1:${port}/`);
  return { ...nginx, siteFile, command: [services().nginx!, ...options].join(' ') };
}

async function answers(url: string): Promise<void> {
  while (
    !(await fetch(url).then(
      ({ status }) => status < 500,
      () => false,
    ))
  )
    await new Promise((resolve) => setTimeout(resolve, 50));
}
