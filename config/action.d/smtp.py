# Mail to an SMTP server: action = smtp.py[host="mail.example.com:587", dest=..., sender=...]
#
# rban does it itself when a jail asks for this file; nothing in it is run.
