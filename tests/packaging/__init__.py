"""How the suite reaches its users: sdist, wheel, snap, container, and every supported Certbot."""
