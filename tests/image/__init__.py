"""Tests of the image: it is built here, run as the pod of deploy/kubernetes runs it, and looked into (`make image`)."""
