"""Take the screenshots of the documentation: ``make screenshots``.

It loads the demo's data into a database of its own, serves it, and drives Debian's Chromium.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

PROJECT = Path(__file__).parents[1]
IMAGES = PROJECT / "docs" / "images"
USAGE = "/admin/souvenirs/usage/"
SHOTS = {
    # Name: path, width, height, colour scheme.
    "overview": (f"{USAGE}?compare=year", 1280, 1180, "light"),
    "retention": (f"{USAGE}retention/", 1280, 900, "dark"),
    "people": (f"{USAGE}people/?list=inactive&days=180", 1280, 800, "light"),
    "user": ("/admin/auth/user/3/change/", 1280, 620, "light"),
    "phone": (USAGE, 390, 900, "dark"),
}


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        environment = {
            **os.environ,
            "DEMO_DATABASE": f"{scratch}/demo.sqlite3",
            "DEMO_SERVE": "0",
            "DEMO_SECRET_KEY": "screenshots",
        }
        manage = [sys.executable, str(PROJECT / "demo" / "manage.py")]
        subprocess.run([*manage, "demo"], env=environment, check=True, stdout=subprocess.DEVNULL)
        segments = (f"--with-segment={name}" for name in ("mergers", "regulars", "casual"))
        mail = [*manage, "email_usage", "--print-html", "--site=Git", *segments]
        Path(scratch, "mail.html").write_bytes(subprocess.check_output(mail, env=environment))
        session = subprocess.check_output([*manage, "shell", "-v0", "-c", SIGN_IN], env=environment)
        server = subprocess.Popen(
            [*manage, "runserver", "--noreload", address],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(f"http://{address}/admin/login/")
            take(chromium, f"http://{address}", session.decode().strip(), f"{scratch}/mail.html")
        finally:
            server.terminate()
            server.wait()


SIGN_IN = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user = User.objects.get(username="demo")
session = SessionStore()
session["_auth_user_id"] = str(user.pk)
session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
session["_auth_user_hash"] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer.")


def take(chromium: str, site: str, session: str, mail: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (path, width, height, scheme) in SHOTS.items():
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, color_scheme=scheme)
            context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
            page = context.new_page()
            page.goto(f"{site}{path}")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
            context.close()
        page = browser.new_page(viewport={"width": 640, "height": 400}, color_scheme="light")
        page.goto(f"file://{mail}")
        page.screenshot(path=IMAGES / "mail.png", full_page=True)
        print(IMAGES / "mail.png")
        browser.close()


if __name__ == "__main__":
    main()
